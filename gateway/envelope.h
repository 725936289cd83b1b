#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

// The shape of every JSON answer: {"code","message","data"}; failures add "error", "field" (when
// there is one) and "request_id".
namespace sv::gateway {

inline constexpr std::string_view kSuccess = R"({"code":200,"message":"success"})";
inline constexpr std::string_view kSuccessWithData =
    R"({"code":200,"message":"success","data":)";  // the data and "}" follow

struct Failure {
  int status = 500;
  std::string_view token, message, field{}, request_id{};
};
void append_failure(std::string& out, const Failure& failure);
void append_error(std::string& out, const Error& error, Lang lang, std::string_view request_id);

// Body for an error that the HTTP server found before there was a request.
std::string server_error_body(int status);

// "en…" first in Accept-Language means English, everything else Chinese.
Lang preferred_language(std::string_view accept_language);

}  // namespace sv::gateway
