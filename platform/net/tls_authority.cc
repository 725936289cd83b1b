#include "platform/net/tls_authority.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace sv::net {

Result<std::shared_ptr<const TlsAuthority>> TlsAuthority::load(const std::filesystem::path& file) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  ERR_clear_error();
  const int loaded = file.empty()
                         ? SSL_CTX_set_default_verify_paths(context.get())
                         : SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr);
  if (loaded != 1)
    return fail(Errc::invalid_argument, "tls_unusable",
                fmt::format("{} holds no certificate in PEM that can be read",
                            file.empty() ? "the system's store" : file.string()));
  return std::shared_ptr<const TlsAuthority>(new TlsAuthority(std::move(context)));
}

std::unique_ptr<TlsConnection> TlsAuthority::connect(int socket, const std::string& host) const {
  const std::unique_ptr<SSL, decltype(&SSL_free)> made(SSL_new(context_.get()), &SSL_free);
  SSL* ssl = made.get();
  if (ssl == nullptr || SSL_set_fd(ssl, socket) != 1) throw std::bad_alloc();
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host.c_str()) != 1 || SSL_set_tlsext_host_name(ssl, host.c_str()) != 1)
      throw std::bad_alloc();
  }
  SSL_set_connect_state(ssl);
  SSL_up_ref(ssl);
  return std::make_unique<TlsConnection>(ssl);
}

}  // namespace sv::net
