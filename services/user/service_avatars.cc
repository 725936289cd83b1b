#include <fstream>

#include <fmt/format.h>

#include "platform/core/scratch_folder.h"
#include "services/user/local_service.h"

namespace sv::user {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = 5 << 20;
constexpr int kSide = 320;  // of the shorter side, pixels; the longer is at most twice that

constexpr std::string_view kPut = R"(
    INSERT INTO user_avatar (user_id, rev, picture)
    VALUES ($1, $2, $3)
    ON CONFLICT (user_id) DO UPDATE SET rev = excluded.rev, picture = excluded.picture)";
constexpr std::string_view kGet =
    "SELECT picture FROM user_avatar WHERE user_id = $1 AND rev = $2";  // primary key

Result<> write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  if (!out) return fail(Errc::storage_full, {}, "cannot write " + path.string());
  return {};
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in || bytes.empty()) return fail(Errc::internal, {}, "cannot read " + path.string());
  return bytes;
}

// What the tools said of a file, said of the avatar.
Error refusal(Error error) {
  if (error.code != Errc::unprocessable && error.code != Errc::unsupported_media) return error;
  const std::string_view token = error.code == Errc::unsupported_media ? "avatar_unsupported"
                                 : error.token == "media_too_large"    ? "avatar_too_many_pixels"
                                                                       : "avatar_unreadable";
  error.token = token;
  error.field = "avatar";
  return error;
}

template <class T>
Result<T> or_busy(std::optional<Result<T>> done) {
  if (!done) return fail(Errc::unavailable, "busy");
  return std::move(*done);
}

}  // namespace

// The picture is decoded and drawn again in the jail: nothing of the file that was sent is ever
// served.
Task<Result<>> LocalService::update_avatar(const Ctx& ctx, const UpdateAvatarReq& req) {
  if (req.avatar_data.empty()) co_return invalid("avatar", "required");
  if (req.avatar_data.size() > kMaxBytes) co_return invalid("avatar", "too_long");
  if (!deps_.media) co_return fail(Errc::unavailable, "media_jail");
  const std::int64_t rev = deps_.ids.next();
  SV_CO_TRY(const auto folder, co_await ScratchFolder::make(
                                   deps_.disk, options_.scratch / fmt::format("avatar-{}", rev)));
  const fs::path source = folder.path() / "source", drawn = folder.path() / "avatar.jpg";
  SV_CO_CHECK(
      or_busy(co_await offload(deps_.disk, [&] { return write_file(source, req.avatar_data); })));
  if (auto made = co_await deps_.media->avatar(source, kSide, drawn); !made)
    co_return std::unexpected(refusal(std::move(made.error())));
  SV_CO_TRY(std::string picture,
            or_busy(co_await offload(deps_.disk, [&] { return read_file(drawn); })));
  const std::string url =
      fmt::format("{}/media/avatars/{}/{}.jpg", options_.public_url, req.user_id.value, rev);
  co_return co_await deps_.db.write(
      ctx,
      [this, id = req.user_id, rev, url, picture = std::move(picture)](sql::Tx& tx) -> Result<> {
        SV_TRY(const bool found,
               writes_.update_account(tx, store::kSetProfile, id, {id, url, nullptr}));
        if (!found) return fail(Errc::not_found, "user_not_found");
        SV_CHECK(tx.execute(kPut, {id, rev, sql::Blob{picture}}));
        return {};
      });
}

Task<Result<AvatarResp>> LocalService::get_avatar(const Ctx& ctx, const AvatarReq& req) {
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, kGet, {req.user_id, req.rev}));
  if (rows.empty()) co_return fail(Errc::not_found, "media_not_found");
  co_return AvatarResp{.picture = rows.blob(0, 0)};
}

}  // namespace sv::user
