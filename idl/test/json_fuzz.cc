// The first two bytes choose a struct, the rest is a JSON body. What was accepted is written and
// must be accepted again.
#include <cstdlib>
#include <iterator>

#include "idl/cases.h"

namespace sv {
namespace {

template <class T>
void run(std::string_view input) {
  auto v = read_json<T>(input);
  std::string text(input);
  (void)read_params<T>(std::vector<std::pair<std::string, std::string>>{
      {"user_id", text}, {"title", text}, {"tags", text}, {"page_size", text}});
  if (!v) return;
  std::string out;
  write_json(out, *v);
  auto again = read_json<T>(out);
  // Bounds hold for what is printed, but an optional default that was never checked may break one;
  // then the error names its field.
  if (!again && again.error().field.empty()) std::abort();
}

using Run = void (*)(std::string_view);
constexpr Run kRuns[] = {
#define X(type, name) &run<type>,
    SV_EVERY_STRUCT(X)
#undef X
};

}  // namespace
}  // namespace sv

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  sv::kRuns[(data[0] * 256u + data[1]) % std::size(sv::kRuns)](input);
  return 0;
}
