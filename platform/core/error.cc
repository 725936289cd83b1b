#include "platform/core/error.h"

#include <array>
#include <unordered_map>

#include <fmt/format.h>

namespace sv {
namespace {

struct Row {
  Errc code;
  int status;
  std::string_view token, zh, en;
};

constexpr std::array kRows{
    Row{Errc::rejected, 400, "rejected", "请求被拒绝", "the request was rejected"},
    Row{Errc::invalid_argument, 400, "invalid_argument", "请求参数错误", "a parameter is invalid"},
    Row{Errc::unauthenticated, 401, "invalid_token", "无效或过期的token",
        "the token is invalid or expired"},
    Row{Errc::forbidden, 403, "forbidden", "没有权限", "not allowed"},
    Row{Errc::not_found, 404, "not_found", "资源不存在", "not found"},
    Row{Errc::method_not_allowed, 405, "method_not_allowed", "不支持的请求方法",
        "method not allowed"},
    Row{Errc::conflict, 409, "conflict", "请求冲突", "the request conflicts with another one"},
    Row{Errc::payload_too_large, 413, "payload_too_large", "请求体过大", "the body is too large"},
    Row{Errc::unsupported_media, 415, "unsupported_media", "不支持的媒体类型",
        "unsupported media type"},
    Row{Errc::unprocessable, 422, "unprocessable", "无法处理的内容",
        "the content cannot be processed"},
    Row{Errc::rate_limited, 429, "rate_limited", "请求过于频繁，请稍后再试",
        "too many requests, try again later"},
    Row{Errc::internal, 500, "internal", "服务器内部错误", "internal server error"},
    Row{Errc::unavailable, 503, "unavailable", "服务不可用", "the service is unavailable"},
    Row{Errc::absent, 503, "unavailable", "服务不可用", "the service is unavailable"},
    Row{Errc::deadline_exceeded, 504, "deadline_exceeded", "请求超时", "the request timed out"},
    Row{Errc::storage_full, 507, "storage_full", "存储空间不足",
        "the server is out of storage space"},
};

const Row& row(Errc code) { return kRows[static_cast<size_t>(code)]; }

struct Text {
  std::string_view zh, en;
};

// Texts of business rules, by token. The zh ones are what clients of the Go system show.
const std::unordered_map<std::string_view, Text>& texts() {
  static const std::unordered_map<std::string_view, Text> map{
#include "platform/core/messages.inc"
  };
  return map;
}

struct Problem {
  std::string_view suffix, zh, en;
};
constexpr std::array kProblems{
    Problem{"_required", "参数 {} 不能为空", "{} is required"},
    Problem{"_too_short", "参数 {} 过短", "{} is too short"},
    Problem{"_too_long", "参数 {} 过长", "{} is too long"},
    Problem{"_out_of_range", "参数 {} 超出范围", "{} is out of range"},
    Problem{"_wrong_type", "参数 {} 类型错误", "{} has the wrong type"},
    Problem{"_invalid", "参数 {} 无效", "{} is invalid"},
};

}  // namespace

int http_status(Errc code) { return row(code).status; }

Errc errc_from_status(int status) {
  for (const Row& r : kRows)
    if (r.status == status && r.code != Errc::rejected) return r.code;
  return Errc::rejected;
}

std::string_view errc_token(Errc code) { return row(code).token; }

std::string message_text(const Error& error, Lang lang) {
  if (error.token == "peer_rejected" && !error.detail.empty())
    return error.detail;  // a foreign service's own words for the client
  if (auto it = texts().find(error.token); it != texts().end())
    return std::string(lang == Lang::zh ? it->second.zh : it->second.en);
  if (!error.field.empty()) {
    for (const Problem& p : kProblems)
      if (error.token.ends_with(p.suffix))
        return fmt::format(fmt::runtime(lang == Lang::zh ? p.zh : p.en), error.field);
  }
  const Row& r = row(error.code);
  return std::string(lang == Lang::zh ? r.zh : r.en);
}

}  // namespace sv
