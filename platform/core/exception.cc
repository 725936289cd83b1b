#include "platform/core/exception.h"

#include <cerrno>
#include <system_error>

namespace sv {

Error error_of(const std::exception& e) {
  if (const auto* failure = dynamic_cast<const ErrorException*>(&e)) return failure->error();
  const auto* system = dynamic_cast<const std::system_error*>(&e);
  const int code = system ? system->code().value() : 0;
  const Errc errc = code == ENOSPC || code == EDQUOT ? Errc::storage_full : Errc::internal;
  return {.code = errc, .token = std::string(errc_token(errc)), .field = {}, .detail = e.what()};
}

}  // namespace sv
