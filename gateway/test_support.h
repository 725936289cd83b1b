#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "gateway/gateway.h"
#include "platform/auth/token.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"

// Hand-written fakes around a real gateway.
namespace sv::gateway::testing {

// One request, and what was answered.
class FakeExchange final : public net::Exchange {
 public:
  std::string method_ = "GET", path_, query_, peer = "203.0.113.7";
  std::map<std::string, std::string> headers;  // lower case names
  std::string request_body;
  std::size_t chunk = 1 << 16;              // read_some gives this much at a time
  bool cut = false;                         // the connection breaks after the body
  std::chrono::milliseconds body_takes{0};  // until read_all has it

  int answered_status = 0;
  int answers = 0;
  std::string answer_head, answer_body;
  bool closed = false;

  FakeExchange(std::string m, std::string target, std::string body = {})
      : method_(std::move(m)), request_body(std::move(body)) {
    const auto q = target.find('?');
    path_ = target.substr(0, q);
    if (q != std::string::npos) query_ = target.substr(q + 1);
  }
  FakeExchange& with(std::string name, std::string value) {
    headers[std::move(name)] = std::move(value);
    return *this;
  }
  // The value of an answered header, empty when absent.
  std::string answer_header(std::string_view name) const;
  boost::json::object json() const { return boost::json::parse(answer_body).as_object(); }
  std::string token() const { return std::string(json().at("error").as_string()); }

  std::string_view method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::string_view query() const override { return query_; }
  std::string_view header(std::string_view name) const override;
  std::string_view peer_address() const override { return peer; }
  bool has_body() const override { return !request_body.empty(); }
  std::optional<std::uint64_t> content_length() const override {
    return declared.value_or(request_body.size());
  }
  Task<Result<std::span<const std::byte>>> read_some() override;
  Task<Result<std::string>> read_all(std::size_t limit) override;
  Task<Result<>> in_time(std::chrono::steady_clock::time_point deadline,
                         Task<Result<>> work) override;
  Task<Result<>> send(int status, std::string_view head, std::string_view body) override;
  Task<Result<>> send(int status, std::string_view head,
                      std::span<const std::string_view> pieces) override;
  Task<Result<>> begin(int, std::string_view, std::optional<std::uint64_t>) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> write(std::span<const std::byte>) override { co_return fail(Errc::internal); }
  Task<Result<>> finish() override { co_return fail(Errc::internal); }
  Task<Result<>> send_object(int status, std::string_view head, ObjectReader& object,
                             std::uint64_t offset, std::uint64_t length) override;
  bool answered() const override { return answers > 0; }
  int status() const override { return answered_status; }
  std::uint64_t bytes_in() const override { return read_; }
  std::uint64_t bytes_out() const override { return answer_head.size() + answer_body.size(); }
  void close_after() override { closed = true; }

  std::optional<std::uint64_t> declared;  // Content-Length, when it is not the body's size

 private:
  std::uint64_t read_ = 0;
};

class FakeUsers final : public user::UserAbsent {
 public:
  Task<Result<user::LoginRegisterResp>> register_(const Ctx&, const user::RegisterReq&) override;
  Task<Result<user::LoginRegisterResp>> login(const Ctx&, const user::LoginReq&) override;
  Task<Result<user::UserInfoResp>> get_user_info(const Ctx&, const user::UserInfoReq&) override;
  Task<Result<>> logout(const Ctx&, const user::LogoutReq&) override;

  bool throws = false;
  user::RegisterReq registered;
  user::UserInfoReq asked;
  ServiceSet fresh;  // of who asked
};

class FakeVideos final : public video::VideoAbsent {
 public:
  Task<Result<video::FeedResp>> get_feed(const Ctx&, const video::FeedReq&) override;
  Task<Result<video::VideoDetailResp>> get_video_detail(const Ctx&,
                                                        const video::VideoDetailReq&) override;
  Task<Result<video::BeginUploadResp>> begin_upload(const Ctx&,
                                                    const video::BeginUploadReq&) override;
  Task<Result<video::FinishUploadResp>> finish_upload(const Ctx&,
                                                      const video::FinishUploadReq&) override;
  Task<Result<>> abort_upload(const Ctx&, const video::AbortUploadReq&) override;
  Task<Result<video::AuthorizeMediaResp>> authorize_media(const Ctx&,
                                                          const video::AuthorizeMediaReq&) override;
  Task<Result<>> record_view(const Ctx&, const video::RecordViewReq&) override;
  Task<Result<video::ViewSaltResp>> get_view_salt(const Ctx&, const video::ViewSaltReq&) override;
  Task<Result<video::VideoStatsResp>> get_video_stats(const Ctx&,
                                                      const video::VideoStatsReq&) override;

  bool uncertain = false;  // answers without knowing who is private
  int salts = 0;           // asked for
  std::string salt = "salt one";
  int feeds = 0, aborted = 0, authorized = 0;
  bool hang = false;  // the feed never answers
  std::optional<Error> feed_error;
  video::FeedReq feed;
  std::string title = "first";
  std::optional<video::FinishUploadReq> finished;
  std::optional<Error> finish_error;
  video::RecordViewReq viewed;
  std::map<std::string, video::AuthorizeMediaResp> media;
};

class FakeSocial final : public social::SocialAbsent {
 public:
  Task<Result<social::FollowActionResp>> follow_action(const Ctx&,
                                                       const social::FollowActionReq&) override;
  Task<Result<social::FollowListResp>> get_follow_list(const Ctx&,
                                                       const social::FollowListReq&) override;
  Task<Result<social::CheckFollowResp>> check_follow(const Ctx&,
                                                     const social::CheckFollowReq&) override {
    co_return social::CheckFollowResp{};
  }

  bool private_target = false;
  social::FollowListReq asked;
};

// Token buckets that never refill, and values that never go.
class FakeCache final : public Cache {
 public:
  bool shared() const override { return is_shared; }
  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override;
  Task<Result<>> set(std::string_view, std::string, std::chrono::milliseconds) override {
    co_return Result<>{};
  }
  Task<Result<>> remove(std::string_view) override { co_return Result<>{}; }
  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override;
  Task<Result<bool>> set_if_absent(std::string_view, std::string,
                                   std::chrono::milliseconds) override {
    co_return true;
  }
  Task<Result<bool>> set_if_newer(std::string_view, std::string, std::int64_t,
                                  std::chrono::milliseconds) override {
    co_return true;
  }
  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override;
  Task<Result<>> publish(std::string_view, std::string) override { co_return Result<>{}; }
  std::unique_ptr<Subscription> subscribe(std::string, Listener) override {
    return std::make_unique<Subscription>();
  }

  bool down = false, is_shared = false;
  int asked = 0;                              // for tokens
  std::map<std::string, std::int64_t> taken;  // by key
  std::map<std::string, std::uint64_t> bits;
};

class FakeObjects final : public ObjectStore {
 public:
  Task<Result<std::unique_ptr<ObjectWriter>>> put(std::string key) override;
  Task<Result<std::unique_ptr<ObjectWriter>>> append(std::string) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> discard_append(std::string) override { co_return Result<>{}; }
  Task<Result<std::unique_ptr<ObjectReader>>> open(std::string key) override;
  Task<Result<ObjectInfo>> head(std::string key) override;
  Task<Result<>> remove(std::string) override { co_return Result<>{}; }
  Task<Result<std::vector<ObjectInfo>>> list(std::string) override {
    co_return std::vector<ObjectInfo>{};
  }
  Task<Result<>> import_file(std::filesystem::path, std::string) override { co_return Result<>{}; }
  Task<Result<std::filesystem::path>> local_copy(std::string, std::filesystem::path) override {
    co_return fail(Errc::internal);
  }

  std::optional<std::string> url_of(std::string_view key, std::string_view content_type,
                                    std::chrono::seconds) const override {
    if (!serves) return std::nullopt;
    return "http://store/" + std::string(key) + "?type=" + std::string(content_type);
  }

  std::map<std::string, std::string> objects;
  bool full = false;
  bool serves = false;  // by itself, to whoever has a URL
  bool broken = false;  // reads come to an end before the object does
};

// A gateway with its fakes.
struct World {
  // `installation`: the cache it shares with other gateways; null: its own.
  explicit World(GatewayOptions options = {}, Cache* installation = nullptr);
  // Serves one request.
  FakeExchange& serve(FakeExchange& x) {
    sv::testing::run_task(gateway->handler()(x));
    return x;
  }
  FakeExchange get(std::string target) {
    FakeExchange x("GET", std::move(target));
    serve(x);
    return x;
  }
  std::string bearer(std::int64_t user_id, std::string_view session = "s1") const;

  sv::testing::ManualClock clock;
  auth::KeyRing keys{{{.kid = "k1", .secret = "0123456789abcdef0123456789abcdef"}}};
  auth::RevokedSessions revoked{clock};
  FakeUsers users;
  FakeVideos videos;
  FakeSocial social;
  FakeCache cache;
  FakeObjects objects;
  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  ContentRevision revision;
  Services services;
  bool dependency_ok = true, objects_ok = true;  // the process can do without the second
  std::unique_ptr<Gateway> gateway;
};

}  // namespace sv::gateway::testing
