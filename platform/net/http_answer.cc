#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include <boost/asio/post.hpp>

#include "platform/net/http_session.h"

// The writing half of HttpSession: heads are written by hand into one buffer, and leave with the
// body in one system call.
namespace sv::net {
namespace {

constexpr std::size_t kMaxParts = 64;  // of one system call; far below IOV_MAX
constexpr std::uint64_t kTurn =
    1024 * 1024;  // bytes to one client before other connections get a turn
constexpr std::size_t kSendfile = 512 * 1024;
constexpr std::uint64_t kDrainable = 256 * 1024;

std::string_view status_line(int status) {
  switch (status) {
#define SV_STATUS(code, text) \
  case code:                  \
    return "HTTP/1.1 " #code " " text "\r\n";
    SV_STATUS(200, "OK")
    SV_STATUS(201, "Created")
    SV_STATUS(202, "Accepted")
    SV_STATUS(204, "No Content")
    SV_STATUS(206, "Partial Content")
    SV_STATUS(301, "Moved Permanently")
    SV_STATUS(302, "Found")
    SV_STATUS(303, "See Other")
    SV_STATUS(304, "Not Modified")
    SV_STATUS(307, "Temporary Redirect")
    SV_STATUS(308, "Permanent Redirect")
    SV_STATUS(400, "Bad Request")
    SV_STATUS(401, "Unauthorized")
    SV_STATUS(403, "Forbidden")
    SV_STATUS(404, "Not Found")
    SV_STATUS(405, "Method Not Allowed")
    SV_STATUS(406, "Not Acceptable")
    SV_STATUS(408, "Request Timeout")
    SV_STATUS(409, "Conflict")
    SV_STATUS(410, "Gone")
    SV_STATUS(411, "Length Required")
    SV_STATUS(412, "Precondition Failed")
    SV_STATUS(413, "Content Too Large")
    SV_STATUS(415, "Unsupported Media Type")
    SV_STATUS(416, "Range Not Satisfiable")
    SV_STATUS(417, "Expectation Failed")
    SV_STATUS(422, "Unprocessable Content")
    SV_STATUS(429, "Too Many Requests")
    SV_STATUS(431, "Request Header Fields Too Large")
    SV_STATUS(500, "Internal Server Error")
    SV_STATUS(501, "Not Implemented")
    SV_STATUS(503, "Service Unavailable")
    SV_STATUS(504, "Gateway Timeout")
    SV_STATUS(507, "Insufficient Storage")
#undef SV_STATUS
    default:
      return {};
  }
}

iovec part_of(std::string_view s) { return {const_cast<char*>(s.data()), s.size()}; }

bool bodiless(int status) { return status == 204 || status == 304; }

void drop_sent(std::span<iovec>& parts, std::size_t sent) {
  while (!parts.empty() && sent >= parts.front().iov_len) {
    sent -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (sent > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + sent;
    parts.front().iov_len -= sent;
  }
}

}  // namespace

Result<> HttpSession::may_answer() const {
  if (answered()) return fail(Errc::internal, "answered_twice");
  if (broken_) return fail(Errc::rejected, "connection_closed");
  return {};
}

// `length` empty: the body is chunked, or ends with the connection for HTTP/1.0.
void HttpSession::build_head(int status, std::string_view headers,
                             std::optional<std::uint64_t> length) {
  status_ = status;
  skips_body_ = bodiless(status) || (head_known_ && method() == "HEAD");
  const auto& request = parser_.head();
  // A body that is too long to be drained cannot be followed by another request.
  bool waits_for_continue = request.expects_continue && !sent_continue_;
  bool http_1_1 = !head_known_ || request.http_1_1;
  if (worker_.draining || !head_known_) keep_alive_ = false;
  if (head_known_ && !parser_.done() &&
      (waits_for_continue || request.content_length.value_or(0) > bytes_in_ + kDrainable))
    keep_alive_ = false;
  chunked_ = !length && !bodiless(status) && http_1_1;
  if (!length && !http_1_1) keep_alive_ = false;

  head_.clear();
  std::string_view line = status_line(status);
  if (line.empty()) {
    head_.append("HTTP/1.1 ").append(std::to_string(status)).append(" \r\n");
  } else {
    head_.append(line);
  }
  head_.append(worker_.date_line());
  head_.append(headers);
  if (chunked_) head_.append("Transfer-Encoding: chunked\r\n");
  if (length && !bodiless(status)) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, *length).ptr;
    head_.append("Content-Length: ").append(digits, end).append("\r\n");
  }
  if (!keep_alive_) {
    head_.append("Connection: close\r\n");
  } else if (!http_1_1) {
    head_.append("Connection: keep-alive\r\n");
  }
  head_.append("\r\n");
}

std::size_t HttpSession::send_now(std::span<iovec>& parts, int flags) {
  if (tls_) return send_now_tls(parts);
  std::size_t total = 0;
  while (!parts.empty()) {
    if (parts.front().iov_len == 0) {
      parts = parts.subspan(1);
      continue;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = std::min(parts.size(), kMaxParts);
    ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) broken_ = true;
      break;
    }
    auto sent = static_cast<std::size_t>(n);
    total += sent;
    drop_sent(parts, sent);
  }
  return total;
}

// Head and a small body leave as one record. What could not be sent is gathered again from the same
// parts, so the next try brings the same bytes.
std::size_t HttpSession::send_now_tls(std::span<iovec>& parts) {
  std::size_t total = 0;
  for (;;) {
    drop_sent(parts, 0);
    if (parts.empty()) return total;
    std::string_view bytes(static_cast<const char*>(parts.front().iov_base), parts.front().iov_len);
    if (parts.size() > 1 && bytes.size() < TlsConnection::kRecord) {
      char* const record = worker_.record();
      std::size_t size = 0;
      for (const iovec& part : parts) {
        const std::size_t n = std::min(part.iov_len, TlsConnection::kRecord - size);
        if (n == 0) continue;
        std::memcpy(record + size, part.iov_base, n);
        size += n;
      }
      bytes = {record, size};
    }
    std::size_t sent = 0;
    const auto step = tls_->write(bytes, sent);
    // Without renegotiation writing never has to read first.
    if (step == TlsConnection::Step::failed || step == TlsConnection::Step::wants_read)
      broken_ = true;
    if (step != TlsConnection::Step::done) return total;
    total += sent;
    drop_sent(parts, sent);
  }
}

Task<Result<>> HttpSession::wait_writable() {
  timed_out_ = false;
  deadline_ = Clock::now() + worker_.limits.body_idle;
  auto [ec] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kNoThrow);
  deadline_ = Clock::time_point::max();
  unyielded_ = 0;
  if (!ec) co_return Result<>{};
  broken_ = true;
  if (timed_out_) co_return fail(Errc::deadline_exceeded, "client_too_slow");
  co_return fail(Errc::rejected, "connection_closed", ec.message());
}

Task<> HttpSession::yield() {
  unyielded_ = 0;
  co_await asio::post(worker_.executor, asio::use_awaitable);
}

Task<Result<>> HttpSession::send_parts(std::span<iovec> parts, int flags) {
  if (broken_) co_return fail(Errc::rejected, "connection_closed");
  for (;;) {
    std::size_t sent = send_now(parts, flags);
    bytes_out_ += sent;
    unyielded_ += sent;
    if (broken_) co_return fail(Errc::rejected, "connection_closed");
    if (parts.empty()) break;
    SV_CO_CHECK(co_await wait_writable());
  }
  if (unyielded_ > kTurn) co_await yield();
  co_return Result<>{};
}

Task<Result<>> HttpSession::send(int status, std::string_view headers, std::string_view body) {
  SV_CO_CHECK(may_answer());
  build_head(status, headers, body.size());
  finished_ = true;
  std::array<iovec, 2> parts{part_of(head_), part_of(skips_body_ ? std::string_view() : body)};
  std::span<iovec> rest(parts);
  bytes_out_ += send_now(rest, 0);
  if (rest.empty() && !broken_) co_return Result<>{};
  co_return co_await send_parts(rest);
}

Task<Result<>> HttpSession::send(int status, std::string_view headers,
                                 std::span<const std::string_view> pieces) {
  SV_CO_CHECK(may_answer());
  std::uint64_t length = 0;
  for (auto piece : pieces) length += piece.size();
  build_head(status, headers, length);
  finished_ = true;
  std::vector<iovec> parts;
  parts.reserve(pieces.size() + 1);
  parts.push_back(part_of(head_));
  if (!skips_body_)
    for (auto piece : pieces) parts.push_back(part_of(piece));
  co_return co_await send_parts(parts);
}

Task<Result<>> HttpSession::send_head(int status, std::string_view headers,
                                      std::optional<std::uint64_t> length, int flags) {
  SV_CO_CHECK(may_answer());
  build_head(status, headers, length);
  remaining_ = length;
  iovec part = part_of(head_);
  co_return co_await send_parts({&part, 1}, skips_body_ ? 0 : flags);
}

Task<Result<>> HttpSession::begin(int status, std::string_view headers,
                                  std::optional<std::uint64_t> length) {
  co_return co_await send_head(status, headers, length, 0);
}

Task<Result<>> HttpSession::write(std::span<const std::byte> bytes) {
  if (!answered() || finished_)
    co_return fail(Errc::internal, {}, "write() outside of begin() … finish()");
  if (bytes.empty()) co_return Result<>{};
  if (remaining_) {
    if (bytes.size() > *remaining_) {
      broken_ = true;
      co_return fail(Errc::internal, {}, "more was written than begin() announced");
    }
    *remaining_ -= bytes.size();
  }
  if (skips_body_) co_return Result<>{};
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::array<char, 20> size_line;
  std::array<iovec, 3> parts{};
  parts[1] = part_of(text);
  if (chunked_) {
    char* end = std::to_chars(size_line.data(), size_line.data() + 16, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    parts[0] = {size_line.data(), static_cast<std::size_t>(end - size_line.data())};
    parts[2] = part_of("\r\n");
  }
  co_return co_await send_parts(parts);
}

Task<Result<>> HttpSession::finish() {
  if (!answered() || finished_) co_return fail(Errc::internal, {}, "finish() without begin()");
  if (!skips_body_ && remaining_.value_or(0) > 0) {
    broken_ = true;
    co_return fail(Errc::internal, {}, "less was written than begin() announced");
  }
  finished_ = true;
  if (broken_) co_return fail(Errc::rejected, "connection_closed");
  if (!chunked_ || skips_body_) co_return Result<>{};
  iovec part = part_of("0\r\n\r\n");
  co_return co_await send_parts({&part, 1});
}

Task<Result<>> HttpSession::send_object(int status, std::string_view headers, ObjectReader& object,
                                        std::uint64_t offset, std::uint64_t length) {
  SV_CO_CHECK(co_await send_head(status, headers, length, length > 0 ? MSG_MORE : 0));
  int file = tls_ ? -1 : object.native_handle();  // the kernel cannot encrypt for us
  while (file >= 0 && !skips_body_ && *remaining_ > 0) {
    auto position = static_cast<off_t>(offset);
    ssize_t n = ::sendfile(socket_.native_handle(), file, &position,
                           std::min<std::uint64_t>(*remaining_, kSendfile));
    if (n > 0) {
      auto sent = static_cast<std::uint64_t>(n);
      offset += sent;
      *remaining_ -= sent;
      bytes_out_ += sent;
      unyielded_ += sent;
      if (unyielded_ > kTurn) co_await yield();
      continue;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      SV_CO_CHECK(co_await wait_writable());
    } else if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
      break;  // not every file system can
    } else if (n == 0) {
      co_return object_ended();
    } else if (errno != EINTR) {
      broken_ = true;
      co_return fail(Errc::rejected, "connection_closed");
    }
  }
  if (!skips_body_ && *remaining_ > 0)
    SV_CO_CHECK(co_await copy_object(object, offset, *remaining_));
  co_return co_await finish();
}

Result<> HttpSession::object_ended() {
  broken_ = true;
  return fail(Errc::internal, {}, "the object is shorter than it was");
}

Task<Result<>> HttpSession::copy_object(ObjectReader& object, std::uint64_t offset,
                                        std::uint64_t length) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(length, HttpWorker::kBodyBuffer));
  while (length > 0) {
    auto got = co_await object.read(
        offset, std::span(buffer).first(std::min<std::uint64_t>(length, buffer.size())));
    if (!got) {
      broken_ = true;
      co_return std::unexpected(std::move(got.error()));
    }
    if (*got == 0) co_return object_ended();
    SV_CO_CHECK(co_await write(std::span(buffer).first(*got)));
    offset += *got;
    length -= *got;
  }
  co_return Result<>{};
}

Task<> HttpSession::answer_error(int status) {
  std::string body = worker_.error_body(status);
  keep_alive_ = false;
  lingers_ = true;
  if (co_await send(status, "Content-Type: application/json\r\nCache-Control: no-store\r\n", body))
    co_return;
  lingers_ = false;
}

}  // namespace sv::net
