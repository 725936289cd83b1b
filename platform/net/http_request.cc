#include "platform/net/http_request.h"

#include <cstring>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "platform/core/ascii.h"

namespace sv::net {
namespace {

namespace http = boost::beast::http;
using BeastView = boost::beast::string_view;
using boost::beast::error_code;

std::string_view plain(BeastView s) { return {s.data(), s.size()}; }

bool only_digits(std::string_view s) {
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

// host [":" port], RFC 9110 §7.2; what a name may hold, not whether it resolves. Empty is allowed.
bool valid_host(std::string_view host) {
  for (char c : host) {
    bool alnum = (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
    if (!alnum && std::string_view("-._~%!$&'()*+;=:[]").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace

class RequestParser::Beast : public http::basic_parser<true> {
 public:
  // Beast's own limits are off: scan() has checked the head, and a body's size is its reader's
  // business.
  void start(std::string_view input) {
    this->header_limit(static_cast<std::uint32_t>(input.size() + 1));
    this->body_limit(boost::none);
    this->eager(false);
  }

  Head head;
  std::string_view data;

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version,
                       error_code& ec) override {
    head.method = plain(method);
    head.http_1_1 = version == 11;
    std::string_view t = plain(target);
    if (t.find('#') != std::string_view::npos) ec = http::error::bad_target;
    if (t.front() != '/') {
      std::size_t scheme = same_ignoring_case(t.substr(0, 7), "http://")    ? 7
                           : same_ignoring_case(t.substr(0, 8), "https://") ? 8
                                                                            : 0;
      if (scheme != 0) {  // absolute-form: what proxies are sent, and every server must accept
        std::size_t authority_end = std::min(t.find_first_of("/?", scheme), t.size());
        if (authority_end == scheme || !valid_host(t.substr(scheme, authority_end - scheme)))
          ec = http::error::bad_target;
        t.remove_prefix(authority_end);
      } else if (t != "*" || head.method != "OPTIONS") {
        ec = http::error::bad_target;
      }
    }
    std::size_t question = t.find('?');
    head.path = t.substr(0, question);
    head.query = question == std::string_view::npos ? std::string_view() : t.substr(question + 1);
    if (head.path.empty()) head.path = "/";
  }

  void on_field_impl(http::field id, BeastView name_, BeastView value_, error_code& ec) override {
    std::string_view name = plain(name_), value = plain(value_);
    // A folded value is either joined in Beast's own buffer or starts on a later line than its
    // name; both show as a foreign byte.
    const char* between = name.data() + name.size() + 1;
    if (!value.empty()) {
      auto gap = reinterpret_cast<std::uintptr_t>(value.data()) -
                 reinterpret_cast<std::uintptr_t>(between);
      if (gap > kMaxGap ||
          std::string_view(between, gap).find_first_not_of(" \t") != std::string_view::npos) {
        ec = http::error::bad_value;
        return;
      }
    }
    if (in_body_)
      return;  // trailers are read and dropped: nothing in them may change what the head said
    head.fields.push_back({name, value});
    switch (id) {
      case http::field::host:
        if (++hosts_ > 1 || !valid_host(value)) ec = http::error::bad_field;
        break;
      case http::field::content_length:  // Beast would take a list of equal numbers
        if (++lengths_ > 1 || !only_digits(value)) ec = http::error::bad_content_length;
        break;
      case http::field::transfer_encoding:  // Beast would take any other coding for "no body"
        if (++codings_ > 1 || !same_ignoring_case(value, "chunked"))
          ec = http::error::bad_transfer_encoding;
        break;
      case http::field::expect:
        head.expects_continue = same_ignoring_case(value, "100-continue");
        break;
      default:
        break;
    }
  }

  void on_header_impl(error_code& ec) override {
    if ((head.http_1_1 && hosts_ == 0) || (lengths_ > 0 && codings_ > 0) ||
        (codings_ > 0 && !head.http_1_1)) {
      ec = http::error::bad_field;
      return;
    }
    head.keep_alive = this->keep_alive();
    head.chunked = codings_ > 0;
    if (lengths_ > 0) head.content_length = *this->content_length();
    if (!head.http_1_1) head.expects_continue = false;
    in_body_ = true;
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastView body, error_code&) override {
    data = plain(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastView extensions, error_code& ec) override {
    for (char c : plain(extensions))
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
        ec = http::error::bad_chunk_extension;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code&) override {
    data = plain(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
  void on_response_impl(int, BeastView, int, error_code&) override {}

  static constexpr std::size_t kMaxGap = 64 * 1024;
  int hosts_ = 0, lengths_ = 0, codings_ = 0;
  bool in_body_ = false;
};

std::string_view RequestParser::Head::find(std::string_view name) const {
  for (const Field& f : fields)
    if (same_ignoring_case(f.name, name)) return f.value;
  return {};
}

RequestParser::RequestParser(std::size_t header_bytes, std::size_t header_fields)
    : header_bytes_(header_bytes),
      header_fields_(header_fields),
      beast_(std::make_unique<Beast>()) {}
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  // Beast's parser serves one message; its place and the vector's memory are kept.
  auto fields = std::move(beast_->head.fields);
  fields.clear();
  Beast* place = beast_.get();
  std::destroy_at(place);
  std::construct_at(place);
  place->head.fields = std::move(fields);
  begin_ = line_ = scanned_ = lines_ = end_ = 0;
}

const RequestParser::Head& RequestParser::head() const { return beast_->head; }
std::size_t RequestParser::head_bytes() const { return end_; }
bool RequestParser::done() const { return beast_->is_done(); }

// Finds the end of the head, and refuses at once what no later byte could mend.
RequestParser::Outcome RequestParser::scan(std::string_view buffer) {
  for (;;) {
    const void* found = scanned_ < buffer.size()
                            ? std::memchr(buffer.data() + scanned_, '\n', buffer.size() - scanned_)
                            : nullptr;
    std::size_t newline =
        found ? static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data())
              : buffer.size();
    if (newline - begin_ >= header_bytes_) return Outcome::too_large;
    if (line_ < buffer.size() && lines_ == 0) {
      char c = ascii_lower(buffer[line_]);
      if (c != '\r' && (c < 'a' || c > 'z'))
        return Outcome::malformed;  // not a method: TLS, binary noise
    }
    if (!found) {
      scanned_ = buffer.size();
      return Outcome::need_more;
    }
    if (newline == line_ || buffer[newline - 1] != '\r') return Outcome::malformed;
    bool empty = newline - line_ == 1;
    char first = buffer[line_];
    line_ = scanned_ = newline + 1;
    if (empty) {
      if (lines_ > 0) {
        end_ = newline + 1;
        return Outcome::ready;
      }
      if (begin_ != 0) return Outcome::malformed;
      begin_ = newline + 1;
      continue;
    }
    if (first == ' ' || first == '\t') return Outcome::malformed;
    if (++lines_ > header_fields_ + 1) return Outcome::too_large;
  }
}

RequestParser::Outcome RequestParser::parse_head(std::string_view buffer) {
  Outcome outcome = scan(buffer);
  if (outcome != Outcome::ready) return outcome;
  std::string_view head = buffer.substr(begin_, end_ - begin_);
  beast_->start(head);
  error_code ec;
  std::size_t used = beast_->put(boost::asio::buffer(head.data(), head.size()), ec);
  return !ec && used == head.size() && beast_->is_header_done() ? Outcome::ready
                                                                : Outcome::malformed;
}

RequestParser::Piece RequestParser::decode(std::string_view input) {
  Piece piece;
  beast_->data = {};
  while (!beast_->is_done() && beast_->data.empty() && piece.consumed < input.size()) {
    std::string_view rest = input.substr(piece.consumed);
    error_code ec;
    piece.consumed += beast_->put(boost::asio::buffer(rest.data(), rest.size()), ec);
    if (ec == http::error::need_more) {
      // Only a chunk's head or the trailers are kept waiting for: they are bounded like the
      // request's head.
      piece.malformed = input.size() - piece.consumed >= header_bytes_;
      break;
    }
    if (ec) {
      piece.malformed = true;
      break;
    }
  }
  piece.data = beast_->data;
  return piece;
}

}  // namespace sv::net
