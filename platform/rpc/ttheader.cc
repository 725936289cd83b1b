#include "platform/rpc/ttheader.h"

#include <algorithm>
#include <ranges>

#include "platform/rpc/message.h"

namespace sv::rpc {
namespace {

constexpr std::uint16_t kMagic = 0x1000;
constexpr std::uint16_t kThriftVersion = 0x8001;
constexpr std::uint16_t kStreaming = 0x02 | 0x08;  // flags of streams, which are not served
enum Info : std::uint8_t {
  kPadding = 0x00,
  kStringPairs = 0x01,
  kIntPairs = 0x10,
  kAclToken = 0x11
};

// Reads big-endian numbers and short texts; sticky failure.
struct Cursor {
  std::string_view rest;
  bool ok = true;

  std::uint32_t number(std::size_t bytes) {
    if (rest.size() < bytes) {
      ok = false;
      rest = {};
      return 0;
    }
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < bytes; ++i) v = (v << 8) | static_cast<unsigned char>(rest[i]);
    rest.remove_prefix(bytes);
    return v;
  }
  std::string text() {
    std::size_t n = number(2);
    if (rest.size() < n) {
      ok = false;
      rest = {};
      return {};
    }
    std::string s(rest.substr(0, n));
    rest.remove_prefix(n);
    return s;
  }
};

std::uint32_t peek(std::string_view s, std::size_t at, std::size_t bytes) {
  return Cursor{s.substr(at)}.number(bytes);
}

bool parse_info(std::string_view info, TtHeader& header) {
  Cursor in{info};
  std::uint32_t protocol = in.number(1);
  for (std::uint32_t n = in.number(1); n > 0 && in.ok; --n)
    in.number(1);  // transforms: none is known, none is applied
  if (protocol != 0) return false;
  while (in.ok && !in.rest.empty()) {
    switch (in.number(1)) {
      case kPadding:
        break;
      case kStringPairs:
        for (std::uint32_t n = in.number(2); n > 0 && in.ok; --n) {
          std::string key = in.text();
          header.strings.emplace_back(std::move(key), in.text());
        }
        break;
      case kIntPairs:
        for (std::uint32_t n = in.number(2); n > 0 && in.ok; --n) {
          auto key = static_cast<std::uint16_t>(in.number(2));
          header.ints.emplace_back(key, in.text());
        }
        break;
      case kAclToken:
        header.acl_token = in.text();
        break;
      default:
        return false;
    }
  }
  return in.ok;
}

FrameStatus parse_ttheader(std::string_view input, Frame& frame) {
  if (input.size() < 16) return FrameStatus::broken;
  std::size_t header_end = 14 + 4 * std::size_t{peek(input, 12, 2)};
  if (header_end > input.size() || header_end < 16) return FrameStatus::broken;
  frame.header.flags = static_cast<std::uint16_t>(peek(input, 6, 2));
  frame.header.seqid = peek(input, 8, 4);
  if ((frame.header.flags & kStreaming) != 0) return FrameStatus::broken;
  if (!parse_info(input.substr(14, header_end - 14), frame.header)) return FrameStatus::broken;
  frame.payload = input.substr(header_end);
  frame.framing = Framing::ttheader;
  if (frame.payload.size() < 4) return FrameStatus::broken;
  if (peek(frame.payload, 0, 2) != kThriftVersion) {
    if (peek(frame.payload, 0, 4) != frame.payload.size() - 4) return FrameStatus::broken;
    frame.framing = Framing::ttheader_framed;
    frame.payload.remove_prefix(4);
  }
  return FrameStatus::ready;
}

// Nothing says how long a buffered message is: it is walked to its end.
FrameStatus parse_buffered(std::string_view input, Frame& frame, std::size_t& need,
                           std::size_t cap) {
  Reader in(input);
  MessageHead head;
  if (read_head(in, head)) {
    Reader::Nested nested(in);
    for (std::uint32_t key = 0; in.next(key);) in.skip(key);
  }
  if (!in.ok()) {
    need = input.size() + 1;
    return in.truncated() && need <= cap ? FrameStatus::need_more : FrameStatus::broken;
  }
  frame.framing = Framing::buffered;
  frame.size = input.size() - in.left();
  frame.payload = input.substr(0, frame.size);
  return frame.size <= cap ? FrameStatus::ready : FrameStatus::broken;
}

template <class N>
void put(std::string& out, N v) {
  put_big_endian(out, v);
}

bool put_text(std::string& out, std::string_view s) {
  put(out, static_cast<std::uint16_t>(s.size()));
  out += s;
  return s.size() <= 0xffff;
}

}  // namespace

std::string_view TtHeader::find(std::uint16_t key) const {
  for (const auto& [k, v] : ints | std::views::reverse)
    if (k == key) return v;
  return {};
}

std::string_view TtHeader::find(std::string_view key) const {
  for (const auto& [k, v] : strings | std::views::reverse)
    if (k == key) return v;
  return {};
}

FrameStatus parse_frame(std::string_view input, Frame& frame, std::size_t& need, std::size_t cap) {
  frame = {};
  need = 6;
  if (input.size() < need) return FrameStatus::need_more;
  if (peek(input, 0, 2) == kThriftVersion) return parse_buffered(input, frame, need, cap);
  std::size_t length = peek(input, 0, 4);
  std::uint32_t kind = peek(input, 4, 2);
  if ((kind != kMagic && kind != kThriftVersion) || length > cap) return FrameStatus::broken;
  need = length + 4;
  if (input.size() < need) return FrameStatus::need_more;
  frame.size = need;
  if (kind == kMagic) return parse_ttheader(input.substr(0, need), frame);
  frame.framing = Framing::framed;
  frame.payload = input.substr(4, length);
  return FrameStatus::ready;
}

bool write_frame(std::string& out, Framing framing, const TtHeader& header,
                 std::string_view payload) {
  if (framing == Framing::buffered) {
    out += payload;
    return true;
  }
  if (framing == Framing::framed) {
    put(out, static_cast<std::uint32_t>(payload.size()));
    out += payload;
    return true;
  }
  std::string info(2, '\0');  // protocol: Thrift binary; no transforms
  bool fits = header.ints.size() <= 0xffff && header.strings.size() <= 0xffff;
  if (!header.strings.empty()) {
    info += static_cast<char>(kStringPairs);
    put(info, static_cast<std::uint16_t>(header.strings.size()));
    for (const auto& [k, v] : header.strings) {
      fits = put_text(info, k) && fits;
      fits = put_text(info, v) && fits;
    }
  }
  if (!header.ints.empty()) {
    info += static_cast<char>(kIntPairs);
    put(info, static_cast<std::uint16_t>(header.ints.size()));
    for (const auto& [k, v] : header.ints) {
      put(info, k);
      fits = put_text(info, v) && fits;
    }
  }
  if (!header.acl_token.empty()) {
    info += static_cast<char>(kAclToken);
    fits = put_text(info, header.acl_token) && fits;
  }
  info.resize((info.size() + 3) / 4 * 4);
  if (!fits || info.size() > kMaxHeader) return false;
  bool inner = framing == Framing::ttheader_framed;
  out.reserve(out.size() + 18 + info.size() + payload.size());
  put(out, static_cast<std::uint32_t>(10 + info.size() + payload.size() + (inner ? 4 : 0)));
  put(out, kMagic);
  put(out, header.flags);
  put(out, header.seqid);
  put(out, static_cast<std::uint16_t>(info.size() / 4));
  out += info;
  if (inner) put(out, static_cast<std::uint32_t>(payload.size()));
  out += payload;
  return true;
}

}  // namespace sv::rpc
