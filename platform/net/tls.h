#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "platform/core/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace sv::net {

// One end of a TLS connection, over a non-blocking socket that it does not own. It never
// waits: a step that cannot go on says what the socket must be ready for, and is tried again with
// the same bytes. One user at a time.
class TlsConnection {
 public:
  enum class Step : unsigned char { done, wants_read, wants_write, failed, plain_http };

  explicit TlsConnection(ssl_st* ssl) : ssl_(ssl) {}
  ~TlsConnection();
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  Step handshake();  // plain_http: the client began with an HTTP request, which was eaten
  Step read(char* into, std::size_t size,
            std::size_t& got);                            // failed: also when the client has closed
  Step write(std::string_view bytes, std::size_t& sent);  // at most one record
  void close();                                           // says goodbye if the socket takes it now
  std::string problem() const;  // of the step that has just failed, in words

  static constexpr std::size_t kRecord = 16 * 1024;

 private:
  Step outcome(int result);
  ssl_st* const ssl_;
  bool open_ = false;
};

// The certificate and key that one shows, from PEM files: TLS 1.2 and 1.3, ALPN http/1.1, tickets.
// With `authority`, certificates of which the other end must show one of (its PEM file may hold
// several): who listens asks for it, and who connects checks it. Names in them are not looked at:
// the authority is the installation's own. Thread-safe.
class TlsIdentity {
 public:
  // Error::field says whose fault it is, "cert", "key" or "ca".
  static Result<std::shared_ptr<TlsIdentity>> load(std::filesystem::path certificate,
                                                   std::filesystem::path key,
                                                   std::filesystem::path authority = {});

  // New connections get what the files hold now; after an error they get what they got before.
  Result<> reload();
  // The same when a file is not the one that was looked at last; false: nothing new.
  Result<bool> reload_if_changed();
  // A sentence when the certificate is not valid today, else empty.
  std::string warning() const;

  std::unique_ptr<TlsConnection> accept(int socket) const;
  std::unique_ptr<TlsConnection> connect(int socket) const;  // with an authority only

 private:
  TlsIdentity(std::filesystem::path certificate, std::filesystem::path key,
              std::filesystem::path authority)
      : certificate_(std::move(certificate)),
        key_(std::move(key)),
        authority_(std::move(authority)) {}
  std::string look() const;
  ssl_st* over(int socket) const;

  const std::filesystem::path certificate_, key_, authority_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
  std::string seen_;  // what look() said before the last try
};

}  // namespace sv::net
