#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "gateway/call.h"
#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::gateway {

// Smaller bodies gain nothing: they fit into a packet.
inline constexpr std::size_t kWorthCompressing = 1024;

// Whether an Accept-Encoding header takes gzip (RFC 9110 §12.5.3): named, or meant by "*", with a
// weight above 0.
bool takes_gzip(std::string_view accept_encoding);
// Quick rather than small: it is done on the event loop.
std::string gzip(std::string_view bytes);

// The gzip form of a body that is sent many times, made when the first client wants it.
// Thread-safe.
class Zipped {
 public:
  std::string_view of(std::string_view body) {
    std::call_once(once_, [&] { bytes_ = gzip(body); });
    return bytes_;
  }

 private:
  std::once_flag once_;
  std::string bytes_;
};

struct Content {
  std::string_view body;
  std::string_view gzip;  // the same compressed, when it is to be sent so; empty: it is not
  std::string_view etag;  // of the body, quoted; empty: the answer is its caller's alone. The
                          // compressed form's ends in "-gz"
};
bool wants_gzip(const Call& call, std::size_t body_size);
// Answers 200, or 304 to who has either form already. Type and caching are in call.headers.
Task<Result<>> send_content(Call& call, Content content);

}  // namespace sv::gateway
