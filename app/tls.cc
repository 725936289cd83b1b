#include "app/tls.h"

#include <fmt/format.h>

#include "platform/core/log.h"

namespace sv {
namespace {

std::string sentence(const Shown& shown, const Error& error) {
  return error.field.empty() ? error.detail
                             : fmt::format("{}.{}: {}", shown.keys, error.field, error.detail);
}

Result<Shown> load(Shown shown, const std::string& certificate, const std::string& key,
                   const std::string& authority) {
  if (certificate.empty()) return shown;
  auto loaded = net::TlsIdentity::load(certificate, key, authority);
  if (!loaded)
    return fail(Errc::invalid_argument, "config_invalid", sentence(shown, loaded.error()));
  shown.identity = std::move(*loaded);
  return shown;
}

}  // namespace

Result<Shown> load_tls(const Config& c) {
  return load({.keys = "tls", .identity = nullptr}, c.tls_cert, c.tls_key, "");
}
Result<Shown> load_rpc_tls(const Config& c) {
  return load({.keys = "rpc.tls", .identity = nullptr}, c.rpc_tls_cert, c.rpc_tls_key,
              c.rpc_tls_ca);
}

void renew(const Shown& shown, bool asked) {
  if (!shown.identity) return;
  Result<bool> renewed = false;
  if (asked) {
    auto done = shown.identity->reload();
    renewed = done ? Result<bool>(true) : std::unexpected(std::move(done.error()));
  } else {
    renewed = shown.identity->reload_if_changed();
  }
  if (!renewed)
    return log::error("app", "the new certificate cannot be used, the old one stays",
                      {{"error", sentence(shown, renewed.error())}});
  if (!*renewed) return;
  log::info("app", "certificate loaded", {{"keys", shown.keys}});
  warn_if_invalid(shown);
}

void warn_if_invalid(const Shown& shown) {
  if (const std::string warning = shown.identity ? shown.identity->warning() : ""; !warning.empty())
    log::warn("app", shown.keys + ".cert", {{"warning", warning}});
}

}  // namespace sv
