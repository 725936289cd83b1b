#include "gateway/guest_keys.h"

#include "platform/auth/key_ring.h"
#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"

namespace sv::gateway {

Task<Result<std::string>> GuestKeys::of(const Ctx& ctx, video::VideoApi& videos) {
  SV_CO_TRY(const std::string secret, co_await salt(ctx, videos));
  co_return base64url_encode(hmac_sha256(secret, ctx.address + '\n' + ctx.user_agent));
}

Task<Result<std::string>> GuestKeys::salt(const Ctx& ctx, video::VideoApi& videos) {
  const std::int64_t now = clock_.now_ms();
  {
    const std::lock_guard lock(mutex_);
    if (now < until_ms_) co_return salt_;
    salt_.clear();
  }
  SV_CO_TRY(auto answer, co_await videos.get_view_salt(ctx, {}));
  const std::lock_guard lock(mutex_);
  salt_ = std::move(answer.salt);
  until_ms_ = now + answer.left_ms;
  co_return salt_;
}

}  // namespace sv::gateway
