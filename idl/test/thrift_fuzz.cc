// The first two bytes choose a struct, the rest is its Thrift. What was read is written and must be
// read back the same.
#include <cstdlib>
#include <iterator>

#include "idl/cases.h"
#include "platform/rpc/thrift.h"
#include "platform/rpc/ttheader.h"

namespace sv {
namespace {

template <class T>
void run(std::string_view input) {
  rpc::Reader in(input);
  T v{};
  read_struct(in, v);
  if (!in.ok()) return;
  std::string wire, again;
  write_struct(wire, v);
  T back{};
  rpc::Reader second(wire);
  read_struct(second, back);
  write_struct(again, back);
  if (!second.ok() || wire != again)
    std::abort();  // bytes, not values: a NaN is not equal to itself
}

void frames(std::string_view input) {
  rpc::Frame frame;
  std::size_t need = 0;
  if (rpc::parse_frame(input, frame, need) == rpc::FrameStatus::ready && frame.size > input.size())
    std::abort();
}

using Run = void (*)(std::string_view);
constexpr Run kRuns[] = {
#define X(type, name) &run<type>,
    SV_EVERY_WIRE_STRUCT(X)
#undef X
    & frames};

}  // namespace
}  // namespace sv

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  sv::kRuns[(data[0] * 256u + data[1]) % std::size(sv::kRuns)](input);
  return 0;
}
