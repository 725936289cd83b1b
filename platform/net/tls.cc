#include "platform/net/tls.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace sv::net {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kProtocol = "\x08http/1.1";

std::unexpected<Error> at_fault(std::string_view field, std::string detail) {
  return std::unexpected(Error{.code = Errc::invalid_argument,
                               .token = "tls_unusable",
                               .field = std::string(field),
                               .detail = std::move(detail)});
}

std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  return text != nullptr ? text : "no reason given";
}

// A server asks nobody at a terminal.
int no_password(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length,
                            reinterpret_cast<const unsigned char*>(kProtocol.data()),
                            kProtocol.size(), offered, offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<> check_readable(std::string_view field, const fs::path& file) {
  std::FILE* f = std::fopen(file.c_str(), "re");
  if (f == nullptr)
    return at_fault(field, fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  std::fclose(f);
  return {};
}

// Each end shows a certificate of the authority, or there is no connection.
Result<> demand(SSL_CTX* context, const fs::path& authority) {
  SV_CHECK(check_readable("ca", authority));
  ERR_clear_error();
  if (SSL_CTX_load_verify_locations(context, authority.c_str(), nullptr) != 1)
    return at_fault("ca", fmt::format("{} holds no certificate in PEM that can be used: {}",
                                      authority.string(), reason()));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

Result<std::shared_ptr<SSL_CTX>> make_context(const fs::path& certificate, const fs::path& key,
                                              const fs::path& authority) {
  SV_CHECK(check_readable("cert", certificate));
  SV_CHECK(check_readable("key", key));
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  if (!context) return fail(Errc::internal, {}, "TLS is not available: " + reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A step that is tried again may bring the same bytes at another address, and idle connections
  // hold no buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets need none
  SSL_CTX_set_default_passwd_cb(context.get(), &no_password);
  SSL_CTX_set_alpn_select_cb(context.get(), &choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
    return at_fault("cert", fmt::format("{} holds no certificate in PEM that can be used: {}",
                                        certificate.string(), reason()));
  ERR_clear_error();
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    const int what = ERR_GET_REASON(ERR_peek_last_error());
    if (what == X509_R_KEY_VALUES_MISMATCH || what == X509_R_KEY_TYPE_MISMATCH)
      return at_fault("key", fmt::format("the key in {} does not belong to the certificate in {}",
                                         key.string(), certificate.string()));
    return at_fault("key", fmt::format("{} holds no private key in PEM without a password: {}",
                                       key.string(), reason()));
  }
  if (!authority.empty()) SV_CHECK(demand(context.get(), authority));
  return context;
}

std::string text_of(const ASN1_TIME* time) {
  std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  ASN1_TIME_print(out.get(), time);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

TlsConnection::~TlsConnection() { SSL_free(ssl_); }

TlsConnection::Step TlsConnection::outcome(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Step::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Step::wants_write;
    default:
      open_ = false;
      return Step::failed;
  }
}

TlsConnection::Step TlsConnection::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    open_ = true;
    return Step::done;
  }
  const Step step = outcome(result);
  if (step == Step::failed && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
    return Step::plain_http;
  return step;
}

TlsConnection::Step TlsConnection::read(char* into, std::size_t size, std::size_t& got) {
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_, into, size, &got);
  return result == 1 ? Step::done : outcome(result);
}

TlsConnection::Step TlsConnection::write(std::string_view bytes, std::size_t& sent) {
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent);
  return result == 1 ? Step::done : outcome(result);
}

void TlsConnection::close() {
  if (!std::exchange(open_, false) || (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

std::string TlsConnection::problem() const {
  if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK)
    return X509_verify_cert_error_string(verified);
  return ERR_peek_last_error() != 0 ? reason() : "the other end has closed";
}

Result<std::shared_ptr<TlsIdentity>> TlsIdentity::load(fs::path certificate, fs::path key,
                                                       fs::path authority) {
  std::shared_ptr<TlsIdentity> out(
      new TlsIdentity(std::move(certificate), std::move(key), std::move(authority)));
  SV_CHECK(out->reload());
  return out;
}

Result<> TlsIdentity::reload() {
  std::string seen = look();  // first: a file that changes while it is read is read again
  auto made = make_context(certificate_, key_, authority_);
  std::lock_guard lock(mutex_);
  seen_ = std::move(seen);
  if (!made) return std::unexpected(std::move(made.error()));
  context_ = std::move(*made);
  return {};
}

Result<bool> TlsIdentity::reload_if_changed() {
  {
    const std::string now = look();
    std::lock_guard lock(mutex_);
    if (now == seen_) return false;
  }
  SV_CHECK(reload());
  return true;
}

std::string TlsIdentity::look() const {
  std::string out;
  for (const fs::path& file : {certificate_, key_, authority_}) {
    struct stat st{};
    if (::stat(file.c_str(), &st) == 0)
      out +=
          fmt::format("{}.{} {} {};", st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_size, st.st_ino);
    else out += "absent;";
  }
  return out;
}

std::string TlsIdentity::warning() const {
  std::lock_guard lock(mutex_);
  const X509* certificate = SSL_CTX_get0_certificate(context_.get());
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    return fmt::format("the certificate in {} has expired on {}", certificate_.string(),
                       text_of(X509_get0_notAfter(certificate)));
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    return fmt::format("the certificate in {} is valid from {} on", certificate_.string(),
                       text_of(X509_get0_notBefore(certificate)));
  return {};
}

SSL* TlsIdentity::over(int socket) const {
  SSL* ssl = nullptr;
  {
    std::lock_guard lock(mutex_);
    ssl = SSL_new(context_.get());  // holds the context from here on
  }
  if (ssl == nullptr || SSL_set_fd(ssl, socket) != 1) {
    SSL_free(ssl);
    throw std::bad_alloc();
  }
  return ssl;
}

std::unique_ptr<TlsConnection> TlsIdentity::accept(int socket) const {
  SSL* ssl = over(socket);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsConnection>(ssl);
}

std::unique_ptr<TlsConnection> TlsIdentity::connect(int socket) const {
  SSL* ssl = over(socket);
  SSL_set_connect_state(ssl);
  return std::make_unique<TlsConnection>(ssl);
}

}  // namespace sv::net
