#include "app/tls.h"

#include <fmt/format.h>

namespace sv {

std::string tls_sentence(const Error& error) {
  return error.field.empty() ? error.detail : fmt::format("tls.{}: {}", error.field, error.detail);
}

Result<std::shared_ptr<net::TlsIdentity>> load_tls(const Config& config) {
  if (config.tls_cert.empty()) return nullptr;
  auto loaded = net::TlsIdentity::load(config.tls_cert, config.tls_key);
  if (!loaded) return fail(Errc::invalid_argument, "config_invalid", tls_sentence(loaded.error()));
  return loaded;
}

}  // namespace sv
