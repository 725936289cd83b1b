// Writes random values of every struct that RPCs carry, a line each: its name and its bytes in
// base64. For tests/interop, which has Kitex read them and write them again.
//   idl_dump_structs SEED VALUES_OF_EACH
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "idl/test/any_struct.h"
#include "idl/wire_structs.h"
#include "platform/core/encoding.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: idl_dump_structs SEED VALUES_OF_EACH\n");
    return 2;
  }
  sv::test::Random random(std::strtoull(argv[1], nullptr, 10));
  const int values = std::atoi(argv[2]);
#define SV_NAME(name) #name,
  static constexpr const char* kNames[] = {SV_EVERY_WIRE_STRUCT(SV_NAME)};
  std::size_t at = 0;
  for (const auto& one : sv::test::wire_structs()) {
    for (int n = 0; n < values; ++n) {
      std::string bytes;
      one.random(random)->write_thrift(bytes);
      fmt::print("{} {}\n", kNames[at], sv::base64_encode(bytes));
    }
    ++at;
  }
}
