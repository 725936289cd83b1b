// The first two bytes choose a struct, the rest is its Thrift. What was read is written and must be
// read back the same.
#include <cstdlib>

#include "idl/test/any_struct.h"
#include "platform/rpc/ttheader.h"

namespace {

void structs(const sv::test::StructCase& type, std::string_view input) {
  sv::rpc::Reader in(input);
  const auto v = type.make(), back = type.make();
  v->read_thrift(in);
  if (!in.ok()) return;
  std::string wire, again;
  v->write_thrift(wire);
  sv::rpc::Reader second(wire);
  back->read_thrift(second);
  back->write_thrift(again);
  // Bytes, not values: a NaN is not equal to itself.
  if (!second.ok() || wire != again) std::abort();
}

void frames(std::string_view input) {
  sv::rpc::Frame frame;
  std::size_t need = 0;
  const auto status = sv::rpc::parse_frame(input, frame, need);
  if (status == sv::rpc::FrameStatus::ready && frame.size > input.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto types = sv::test::wire_structs();
  const std::size_t choice = (data[0] * 256u + data[1]) % (types.size() + 1);
  choice == types.size() ? frames(input) : structs(types[choice], input);
  return 0;
}
