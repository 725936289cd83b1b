#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// How Thrift messages are framed on a connection (docs/wire.md). Pure functions: bytes in, frame
// out; no I/O.
namespace sv::rpc {

enum class Framing : std::uint8_t { ttheader, ttheader_framed, framed, buffered };

// Keys of the integer pairs; their values are text.
enum InfoKey : std::uint16_t {
  kFromService = 3,
  kToService = 6,
  kToMethod = 9,
  kRpcTimeout = 12,
  kConnectTimeout = 17,
  kFromMethod = 20,
  kMessageType = 22
};

struct TtHeader {
  std::uint16_t flags = 0;
  std::uint32_t seqid = 0;
  std::vector<std::pair<std::uint16_t, std::string>> ints{};
  std::vector<std::pair<std::string, std::string>> strings{};
  std::string acl_token{};

  // The value of a key, empty when it is not there; the last one counts.
  std::string_view find(std::uint16_t key) const;
  std::string_view find(std::string_view key) const;
  bool operator==(const TtHeader&) const = default;
};

struct Frame {
  Framing framing = Framing::ttheader;
  TtHeader header;           // empty unless framing is one of the TTHeader kinds
  std::string_view payload;  // a Thrift message; points into the input
  std::size_t size = 0;      // bytes of the input that the frame takes
};

enum class FrameStatus : std::uint8_t { ready, need_more, broken };

inline constexpr std::size_t kMaxFrame = 64u << 20;
inline constexpr std::size_t kMaxHeader = 262'140;

// Looks for one whole frame at the start of `input`. need_more: read until at least `need` bytes
// are there, which never exceeds `cap` + 4. broken: close the connection without an answer (not a
// frame, larger than `cap`, or a kind that is not served: streaming).
FrameStatus parse_frame(std::string_view input, Frame& frame, std::size_t& need,
                        std::size_t cap = kMaxFrame);

// Appends one frame, answering in the framing of the request. The header is ignored by the framings
// without one.
// False, and nothing appended, when a text or the whole header is too long for its length field.
bool write_frame(std::string& out, Framing framing, const TtHeader& header,
                 std::string_view payload);

}  // namespace sv::rpc
