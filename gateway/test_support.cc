#include "gateway/test_support.h"

#include <algorithm>

#include <boost/asio/steady_timer.hpp>

#include "platform/testing/within.h"

namespace sv::gateway::testing {
namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

}  // namespace

std::string FakeExchange::answer_header(std::string_view name) const {
  const std::string wanted = lower(name) + ": ";
  for (std::size_t at = 0; at < answer_head.size();) {
    const auto end = answer_head.find("\r\n", at);
    const std::string line = answer_head.substr(at, end - at);
    if (lower(line).starts_with(wanted)) return line.substr(wanted.size());
    at = end + 2;
  }
  return {};
}

std::string_view FakeExchange::header(std::string_view name) const {
  const auto it = headers.find(lower(name));
  return it == headers.end() ? std::string_view{} : std::string_view(it->second);
}

Task<Result<std::span<const std::byte>>> FakeExchange::read_some() {
  if (read_ == request_body.size() && cut) co_return fail(Errc::rejected, "connection_cut");
  const auto n = std::min<std::size_t>(chunk, request_body.size() - read_);
  const auto piece = std::as_bytes(std::span(request_body)).subspan(read_, n);
  read_ += n;
  co_return piece;
}

Task<Result<std::string>> FakeExchange::read_all(std::size_t limit) {
  if (request_body.size() > limit) co_return fail(Errc::payload_too_large);
  asio::steady_timer slow(co_await asio::this_coro::executor, body_takes);
  co_await slow.async_wait(asio::use_awaitable);
  read_ = request_body.size();
  co_return request_body;
}

Task<Result<>> FakeExchange::in_time(std::chrono::steady_clock::time_point deadline,
                                     Task<Result<>> work) {
  const auto done = co_await within(deadline, std::move(work));
  co_return done.value_or(fail(Errc::deadline_exceeded));
}

Task<Result<>> FakeExchange::send(int status, std::string_view head, std::string_view body) {
  answered_status = status;
  answer_head = head;
  answer_body = body;
  ++answers;
  co_return Result<>{};
}

Task<Result<>> FakeExchange::send(int status, std::string_view head,
                                  std::span<const std::string_view> pieces) {
  std::string body;
  for (auto piece : pieces) body += piece;
  co_return co_await send(status, head, std::string_view(body));
}

Task<Result<>> FakeExchange::send_object(int status, std::string_view head, ObjectReader& object,
                                         std::uint64_t offset, std::uint64_t length) {
  std::string body(length, '\0');
  SV_CO_TRY(const std::size_t n,
            co_await object.read(offset, std::as_writable_bytes(std::span(body))));
  body.resize(n);
  co_return co_await send(status, head, std::string_view(body));
}

Task<Result<user::LoginRegisterResp>> FakeUsers::register_(const Ctx&,
                                                           const user::RegisterReq& req) {
  if (throws) throw std::runtime_error("secret internals");
  registered = req;
  user::LoginRegisterResp reply;
  reply.user.id = UserId(7);
  reply.user.username = req.username;
  reply.token = "t";
  co_return reply;
}

Task<Result<user::LoginRegisterResp>> FakeUsers::login(const Ctx&, const user::LoginReq& req) {
  if (req.password != "right password") co_return fail(Errc::rejected, "wrong_credentials");
  co_return user::LoginRegisterResp{};
}

Task<Result<user::UserInfoResp>> FakeUsers::get_user_info(const Ctx& ctx,
                                                          const user::UserInfoReq& req) {
  asked = req;
  fresh = ctx.fresh;
  user::UserInfoResp reply;
  reply.user.id = req.user_id;
  co_return reply;
}

Task<Result<>> FakeUsers::logout(const Ctx&, const user::LogoutReq&) { co_return Result<>{}; }

Task<Result<video::FeedResp>> FakeVideos::get_feed(const Ctx& ctx, const video::FeedReq& req) {
  ++feeds;
  feed = req;
  if (uncertain) note_uncertain(ctx);
  if (feed_error) co_return std::unexpected(*feed_error);
  if (hang) {
    asio::steady_timer forever(co_await asio::this_coro::executor,
                               std::chrono::steady_clock::time_point::max());
    co_await forever.async_wait(asio::use_awaitable);
  }
  video::FeedResp reply;
  reply.videos.emplace_back().title = title;
  co_return reply;
}

Task<Result<video::VideoDetailResp>> FakeVideos::get_video_detail(
    const Ctx& ctx, const video::VideoDetailReq& req) {
  if (uncertain) note_uncertain(ctx);
  if (req.video_id != VideoId(5)) co_return fail(Errc::not_found, "video_not_found");
  video::VideoDetailResp reply;
  reply.video.id = req.video_id;
  reply.video.title = "<b>\"A\" & B</b>";
  reply.video.cover_url = "/media/5/1/poster.jpg";
  reply.video.visibility = "public";
  co_return reply;
}

Task<Result<video::BeginUploadResp>> FakeVideos::begin_upload(const Ctx&,
                                                              const video::BeginUploadReq&) {
  video::BeginUploadResp reply;
  reply.upload_id = 9;
  reply.object_key = "uploads/9";
  reply.cover_key = "uploads/9.cover";
  co_return reply;
}

Task<Result<video::FinishUploadResp>> FakeVideos::finish_upload(const Ctx&,
                                                                const video::FinishUploadReq& req) {
  if (finish_error) co_return std::unexpected(*finish_error);
  finished = req;
  video::FinishUploadResp reply;
  reply.video.id = VideoId(9);
  reply.video.title = req.title;
  co_return reply;
}

Task<Result<>> FakeVideos::abort_upload(const Ctx&, const video::AbortUploadReq&) {
  ++aborted;
  co_return Result<>{};
}

Task<Result<video::AuthorizeMediaResp>> FakeVideos::authorize_media(
    const Ctx& ctx, const video::AuthorizeMediaReq& req) {
  ++authorized;
  if (uncertain) note_uncertain(ctx);
  const auto it = media.find(req.path);
  if (it == media.end()) co_return fail(Errc::not_found);
  co_return it->second;
}

Task<Result<>> FakeVideos::record_view(const Ctx&, const video::RecordViewReq& req) {
  viewed = req;
  co_return Result<>{};
}

Task<Result<video::ViewSaltResp>> FakeVideos::get_view_salt(const Ctx&, const video::ViewSaltReq&) {
  ++salts;
  co_return video::ViewSaltResp{.salt = salt, .left_ms = 60'000};
}

Task<Result<video::VideoStatsResp>> FakeVideos::get_video_stats(const Ctx& ctx,
                                                                const video::VideoStatsReq&) {
  if (uncertain) note_uncertain(ctx);
  co_return video::VideoStatsResp{};
}

Task<Result<social::FollowActionResp>> FakeSocial::follow_action(
    const Ctx&, const social::FollowActionReq& req) {
  co_return social::FollowActionResp{.requested = req.action && private_target ? std::optional(true)
                                                                               : std::nullopt};
}

// Two pages of one user each.
Task<Result<social::FollowListResp>> FakeSocial::get_follow_list(const Ctx&,
                                                                 const social::FollowListReq& req) {
  asked = req;
  social::FollowListResp out;
  out.users.emplace_back().username = "someone";
  out.total_count = 2;
  out.next_cursor = req.cursor ? "" : "second";
  co_return out;
}

Task<Result<std::vector<std::optional<std::string>>>> FakeCache::get_many(
    std::span<const std::string> keys) {
  if (down) co_return fail(Errc::unavailable);
  std::vector<std::optional<std::string>> out;
  for (const std::string& key : keys) {
    const auto at = bits.find(key);
    out.push_back(at == bits.end() ? std::nullopt : std::optional(std::to_string(at->second)));
  }
  co_return out;
}

Task<Result<>> FakeCache::add_bits(std::string_view key, std::uint64_t more,
                                   std::chrono::milliseconds) {
  if (down) co_return fail(Errc::unavailable);
  bits[std::string(key)] |= more;
  co_return Result<>{};
}

Task<Result<Cache::Taken>> FakeCache::take(std::string_view key, double, std::int64_t burst,
                                           std::int64_t cost) {
  if (down) co_return fail(Errc::unavailable);
  ++asked;
  std::int64_t& used = taken[std::string(key)];
  Taken out{.allowed = used + std::max<std::int64_t>(cost, 1) <= burst, .limit = burst};
  if (out.allowed) used += cost;
  else out.retry_after = std::chrono::milliseconds(1500);
  out.remaining = burst - used;
  out.reset = std::chrono::milliseconds(2000);
  co_return out;
}

namespace {

class FakeWriter final : public ObjectWriter {
 public:
  FakeWriter(FakeObjects& store, std::string key) : store_(store), key_(std::move(key)) {}
  Task<Result<>> write(std::span<const std::byte> bytes) override {
    if (store_.full) co_return fail(Errc::storage_full);
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return Result<>{};
  }
  std::uint64_t offset() const override { return text_.size(); }
  Task<Result<>> flush() override { co_return Result<>{}; }
  Task<Result<>> commit() override {
    store_.objects[key_] = text_;
    co_return Result<>{};
  }

 private:
  FakeObjects& store_;
  std::string key_, text_;
};

class FakeReader final : public ObjectReader {
 public:
  FakeReader(std::string text, bool broken) : text_(std::move(text)), broken_(broken) {}
  std::uint64_t size() const override { return text_.size(); }
  Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) override {
    if (broken_) co_return 0u;
    const std::string_view piece = std::string_view(text_).substr(offset, into.size());
    std::ranges::copy(std::as_bytes(std::span(piece)), into.begin());
    co_return piece.size();
  }
  int native_handle() const override { return -1; }

 private:
  std::string text_;
  bool broken_;
};

}  // namespace

Task<Result<std::unique_ptr<ObjectWriter>>> FakeObjects::put(std::string key) {
  co_return std::unique_ptr<ObjectWriter>(std::make_unique<FakeWriter>(*this, std::move(key)));
}

Task<Result<std::unique_ptr<ObjectReader>>> FakeObjects::open(std::string key) {
  const auto it = objects.find(key);
  if (it == objects.end()) co_return fail(Errc::not_found);
  co_return std::unique_ptr<ObjectReader>(std::make_unique<FakeReader>(it->second, broken));
}

Task<Result<ObjectInfo>> FakeObjects::head(std::string key) {
  const auto it = objects.find(key);
  if (it == objects.end()) co_return fail(Errc::not_found);
  co_return ObjectInfo{.key = key, .size = it->second.size(), .modified_ms = 1'767'225'600'000};
}

namespace {

Task<Result<>> dependency(const bool* ok) {
  co_return *ok ? Result<>{} : Result<>(fail(Errc::unavailable));
}

}  // namespace

World::World(GatewayOptions options, Cache* installation) {
  services.user = &users;
  services.video = &videos;
  services.social = &social;
  gateway = make_gateway(
      {.services = services,
       .cache = installation ? *installation : cache,
       .objects = objects,
       .keys = keys,
       .revoked = revoked,
       .clock = clock,
       .metrics = metrics,
       .supervisor = supervisor,
       .revision = revision,
       .ready = {{.name = "database", .check = [this] { return dependency(&dependency_ok); }},
                 {.name = "objects",
                  .check = [this] { return dependency(&objects_ok); },
                  .needed = false}}},
      std::move(options));
}

std::string World::bearer(std::int64_t user_id, std::string_view session) const {
  return "Bearer " +
         auth::TokenSigner(keys, clock).sign(UserId(user_id), session, std::chrono::hours(1));
}

}  // namespace sv::gateway::testing
