#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "platform/core/error.h"
#include "platform/net/tls.h"

namespace sv::net {

// For who connects to servers of others: they show a certificate of these authorities that is made
// out to the name or the address that was dialled. TLS 1.2 and 1.3. Thread-safe.
class TlsAuthority {
 public:
  // Certificates of a PEM file; empty: those that the system trusts.
  static Result<std::shared_ptr<const TlsAuthority>> load(const std::filesystem::path& file);

  std::unique_ptr<TlsConnection> connect(int socket, const std::string& host) const;

 private:
  explicit TlsAuthority(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  const std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace sv::net
