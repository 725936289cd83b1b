#include "gateway/envelope.h"

#include <array>

#include "gateway/request_id.h"
#include "platform/core/json_writer.h"

namespace sv::gateway {
namespace {

struct ServerError {
  int status;
  std::string_view token, message;
};
constexpr std::array kServerErrors{
    ServerError{400, "bad_request", "请求格式错误"},
    ServerError{408, "request_timeout", "请求超时"},
    ServerError{413, "payload_too_large", "请求体过大"},
    ServerError{414, "uri_too_long", "请求地址过长"},
    ServerError{431, "headers_too_large", "请求头过大"},
    ServerError{501, "not_implemented", "不支持的请求"},
    ServerError{503, "too_many_connections", "服务繁忙，请稍后再试"},
    ServerError{505, "http_version", "不支持的HTTP版本"},
};

}  // namespace

void append_failure(std::string& out, const Failure& failure) {
  out += R"({"code":)";
  json::append_int(out, failure.status);
  out += R"(,"message":)";
  json::append_string(out, failure.message);
  out += R"(,"error":)";
  json::append_string(out, failure.token);
  if (!failure.field.empty()) {
    out += R"(,"field":)";
    json::append_string(out, failure.field);
  }
  out += R"(,"request_id":)";
  json::append_string(out, failure.request_id);
  out += '}';
}

void append_error(std::string& out, const Error& error, Lang lang, std::string_view request_id) {
  // What went wrong inside stays inside: an internal error shows its code's token and text only.
  const bool hidden = error.code == Errc::internal;
  Error shown = error;
  if (hidden || error.token.empty()) shown.token = errc_token(error.code);
  const std::string message = message_text(shown, lang);
  append_failure(out, {.status = http_status(error.code),
                       .token = shown.token,
                       .message = message,
                       .field = shown.field,
                       .request_id = request_id});
}

std::string server_error_body(int status) {
  std::string out;
  const std::string id = new_request_id();
  for (const ServerError& e : kServerErrors)
    if (e.status == status) {
      append_failure(out,
                     {.status = status, .token = e.token, .message = e.message, .request_id = id});
      return out;
    }
  append_failure(
      out, {.status = status, .token = "internal", .message = "服务器内部错误", .request_id = id});
  return out;
}

Lang preferred_language(std::string_view accept) {
  while (!accept.empty() && accept.front() == ' ') accept.remove_prefix(1);
  const bool english = accept.size() >= 2 && (accept[0] | 0x20) == 'e' && (accept[1] | 0x20) == 'n';
  return english ? Lang::en : Lang::zh;
}

}  // namespace sv::gateway
