#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "platform/auth/flat_json.h"
#include "platform/auth/token.h"
#include "platform/testing/manual_clock.h"

// Nothing that the key did not sign verifies, whatever the bytes; and nothing crashes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const sv::testing::ManualClock clock;
  static const sv::auth::KeyRing keys({{"k1", "a-secret-of-more-than-thirty-two-bytes"}});
  static const sv::auth::TokenSigner tokens(keys, clock);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (tokens.verify(text)) std::abort();
  (void)sv::auth::parse_flat_json(text);
  return 0;
}
