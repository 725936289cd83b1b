// The first two bytes choose a struct, the rest is a JSON body. What was accepted is written and
// must be accepted again.
#include <cstdlib>

#include "idl/test/any_struct.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto types = sv::test::all_structs();
  const auto& type = types[(data[0] * 256u + data[1]) % types.size()];
  const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  (void)type.make()->read_params(
      {{"user_id", text}, {"title", text}, {"tags", text}, {"page_size", text}});
  const auto v = type.make();
  if (!v->read_json(text)) return 0;
  std::string out;
  v->write_json(out);
  // Bounds hold for what is printed, but an optional default that was never checked may break one;
  // then the error names its field.
  auto again = type.make()->read_json(out);
  if (!again && again.error().field.empty()) std::abort();
  return 0;
}
