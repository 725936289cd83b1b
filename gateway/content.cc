#include "gateway/content.h"

#include <charconv>
#include <memory>
#include <stdexcept>

#include <zlib.h>

#include "platform/core/ascii.h"
#include "platform/net/range.h"

namespace sv::gateway {
namespace {

constexpr int kLevel = 3;
constexpr int kGzipWindow = 15 + 16;  // zlib's way of asking for gzip's header

// One stream a thread: making one costs more than compressing a page with it.
class Deflater {
 public:
  Deflater() {
    if (deflateInit2(&stream_, kLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string run(std::string_view bytes) {
    deflateReset(&stream_);
    std::string out(deflateBound(&stream_, bytes.size()), '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END)
      throw std::runtime_error("deflate did not end");
    out.resize(out.size() - stream_.avail_out);
    return out;
  }

 private:
  z_stream stream_{};
};

// "gzip;q=0.5" → whether the weight is more than 0; a weight that is none counts as 1.
bool wanted(std::string_view parameters) {
  const std::size_t at = parameters.find_first_of("qQ");
  if (at == std::string_view::npos) return true;
  const std::string_view value =
      trim_blanks(parameters.substr(std::min(parameters.size(), parameters.find('=', at) + 1)));
  double weight = 1;
  std::from_chars(value.data(), value.data() + value.size(), weight);
  return weight > 0;
}

std::string gzip_etag(std::string_view etag) {
  std::string out(etag.substr(0, etag.size() - 1));
  return out += "-gz\"";
}

}  // namespace

bool takes_gzip(std::string_view header) {
  bool any = false;
  while (!header.empty()) {
    const std::string_view item = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), item.size() + 1));
    const std::size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view coding = trim_blanks(item.substr(0, semicolon));
    if (same_ignoring_case(coding, "gzip") || same_ignoring_case(coding, "x-gzip"))
      return wanted(item.substr(semicolon));
    if (coding == "*") any = wanted(item.substr(semicolon));
  }
  return any;
}

std::string gzip(std::string_view bytes) {
  static thread_local Deflater deflater;
  return deflater.run(bytes);
}

bool wants_gzip(const Call& call, std::size_t body_size) {
  return body_size >= kWorthCompressing && takes_gzip(call.x.header("Accept-Encoding"));
}

Task<Result<>> send_content(Call& call, Content content) {
  const bool zipped = !content.gzip.empty();
  call.header("Vary", "Accept-Encoding");
  if (!content.etag.empty()) {
    const std::string_view known = call.x.header("If-None-Match");
    const std::string other = zipped || !known.empty() ? gzip_etag(content.etag) : std::string();
    const std::string_view sent = zipped ? std::string_view(other) : content.etag,
                           unsent = zipped ? content.etag : std::string_view(other);
    const std::string_view match = net::etag_matches(known, sent)     ? sent
                                   : net::etag_matches(known, unsent) ? unsent
                                                                      : std::string_view();
    call.header("ETag", match.empty() ? sent : match);
    if (!match.empty()) {
      (void)co_await call.x.send(304, call.headers, std::string_view{});
      co_return Result<>{};
    }
  }
  if (zipped) call.header("Content-Encoding", "gzip");
  (void)co_await call.x.send(200, call.headers, zipped ? content.gzip : content.body);
  co_return Result<>{};
}

}  // namespace sv::gateway
