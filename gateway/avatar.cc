#include <charconv>

#include "gateway/edge.h"
#include "gateway/envelope.h"
#include "gateway/route.h"
#include "platform/net/multipart.h"
#include "platform/net/range.h"

namespace sv::gateway {
namespace {

constexpr std::uint64_t kAvatarBytes = 5 << 20;
constexpr std::uint64_t kFormBytes = kAvatarBytes + (64 << 10);

// The part `avatar` of a form; other parts are ignored.
Task<Result<std::string>> receive(Call& call) {
  const auto boundary = net::MultipartParser::boundary(call.x.header("Content-Type"));
  if (!boundary) co_return fail(Errc::unsupported_media, "multipart_required");
  const auto too_large = std::unexpected(
      Error{.code = Errc::payload_too_large, .token = {}, .field = "avatar", .detail = {}});
  if (call.x.content_length().value_or(0) > kFormBytes) co_return too_large;
  net::MultipartParser parser(*boundary);
  std::string picture;
  for (;;) {
    const auto bytes = co_await call.x.read_some();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) break;
    if (call.x.bytes_in() > kFormBytes) co_return too_large;
    parser.feed(*bytes);
    for (;;) {
      SV_CO_TRY(const auto next, parser.next());
      if (!next) break;
      if (next->event != net::MultipartParser::Event::data || parser.part().name != "avatar")
        continue;
      if (picture.size() + next->data.size() > kAvatarBytes) co_return too_large;
      picture.append(reinterpret_cast<const char*>(next->data.data()), next->data.size());
    }
  }
  if (!parser.done())
    co_return fail(Errc::invalid_argument, "multipart_invalid", "the closing boundary is missing");
  if (picture.empty()) co_return invalid("avatar", "required");
  co_return picture;
}

Task<Result<User>> store_avatar(Call& call) {
  SV_CO_TRY(std::string picture, co_await receive(call));
  user::UserApi& users = *call.edge.deps.services.user;
  SV_CO_CHECK(co_await users.update_avatar(
      call.ctx, {.user_id = call.ctx.caller, .avatar_data = std::move(picture)}));
  SV_CO_TRY(auto reply,
            co_await users.get_user_info(
                call.ctx, {.user_id = call.ctx.caller, .current_user_id = call.ctx.caller}));
  co_return std::move(reply.user);
}

Task<Result<>> upload_avatar(Call& call) {
  const auto user = co_await store_avatar(call);
  co_return co_await send_answer(call, user);
}

// "<user>/<rev>.jpg": a new picture has a new path, so this one never changes.
Task<Result<>> avatar(Call& call) {
  user::AvatarReq req;
  std::string_view rest = call.tail;
  const auto number = [&rest](std::int64_t& into) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), into);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return error == std::errc{};
  };
  std::int64_t user = 0;
  if (!number(user) || !rest.starts_with('/')) co_return fail(Errc::not_found, "media_not_found");
  rest.remove_prefix(1);
  if (!number(req.rev) || rest != ".jpg") co_return fail(Errc::not_found, "media_not_found");
  req.user_id = UserId(user);
  SV_CO_TRY(const auto reply, co_await call.edge.deps.services.user->get_avatar(call.ctx, req));
  const std::string tag = etag_of(reply.picture);
  call.header("Content-Type", "image/jpeg");
  call.header(
      "Cache-Control",
      "public, max-age=" + std::to_string(call.edge.options.media_max_age.count()) + ", immutable");
  call.header("ETag", tag);
  if (net::etag_matches(call.x.header("If-None-Match"), tag))
    (void)co_await call.x.send(304, call.headers, std::string_view{});
  else (void)co_await call.x.send(200, call.headers, reply.picture);
  co_return Result<>{};
}

constexpr Route kRoutes[] = {
    {.method = "POST",
     .path = "/api/auth/user/avatar",
     .access = Access::required,
     .rate = RateClass::upload,
     .summary = "Set the caller's picture: a form with a JPEG, PNG, WebP or GIF of ≤ 5 MiB and 50 "
                "megapixels in `avatar`",
     .handle = &upload_avatar,
     .kind = Kind::stream,
     .body = Body::multipart,
     .input = &schema_of<http::AvatarForm>,
     .output = &schema_of<User>,
     .files =
         R"({"type":"object","properties":{"avatar":{"type":"string","contentMediaType":"image/*"}},"required":["avatar"]})"},
    {.method = "GET",
     .path = "/media/avatars/{path}",
     .access = Access::open,
     .rate = RateClass::none,
     .summary = "A user's picture",
     .handle = &avatar,
     .kind = Kind::stream,
     .content_type = "image/jpeg"},
};

}  // namespace

std::span<const Route> avatar_routes() { return kRoutes; }

}  // namespace sv::gateway
