#include <gtest/gtest.h>

#include <set>

#include "idl/services.h"
#include "platform/rpc/json_in.h"

namespace sv {
namespace {

template <class T>
std::string written(const T& v) {
  std::string out;
  write_json(out, v);
  return out;
}

// "ok", or the token of the refusal; a field's token must begin with the field.
template <class T>
std::string outcome(const Result<T>& r) {
  if (r) return "ok";
  EXPECT_EQ(r.error().code, Errc::invalid_argument);
  EXPECT_TRUE(r.error().token.starts_with(r.error().field));
  return r.error().token;
}
template <class T>
std::string body(std::string_view text) {
  return outcome(read_json<T>(text));
}
template <class T>
std::string query(std::string name, std::string value) {
  return outcome(read_params<T>(
      std::vector<std::pair<std::string, std::string>>{{std::move(name), std::move(value)}}));
}

TEST(Json, EntitiesKeepTheNamesAndOrderOfTheIdlAndPrintEveryField) {
  Video v;
  v.id = VideoId(7);
  v.title = "a \"b\"\n视频";
  v.tags = std::vector<std::string>{"x", "y"};
  EXPECT_EQ(
      written(v),
      R"({"id":7,"authorId":0,"url":"","coverUrl":"","likeCount":0,"commentCount":0,"isLike":false,"title":"a \"b\"\n视频","publishTime":0,)"
      R"("description":"","author":{"id":0,"username":"","avatar":"","isFollow":false},"viewCount":0,"shareCount":0,"starCount":0,"isStar":false,)"
      R"("tags":["x","y"],"durationMs":0,"width":0,"height":0,"hlsUrl":"","spriteUrl":"","vttUrl":"","status":"","visibility":"","preloadBytes":0,"createTime":0})");
}

TEST(Json, OldOptionalFieldsAreLeftOutWhenUnset) {
  User u;
  EXPECT_EQ(
      written(u),
      R"({"id":0,"username":"","password":"","followCount":0,"followerCount":0,"isFollow":false,"videoCount":0,"likeCount":0,)"
      R"("isPrivate":false,"isBlocked":false})");
  u.avatar = "a";
  EXPECT_NE(written(u).find(R"("avatar":"a")"), std::string::npos);
}

TEST(Json, WrappersAreSnakeCaseAndNeverShowBaseResp) {
  social::FollowListResp r;
  r.total_count = 3;
  EXPECT_EQ(written(r), R"({"users":[],"total_count":3})");
  user::BatchCheckUsernamesResp names;
  names.available_map = {{"a\"", true}, {"b", false}};
  EXPECT_EQ(written(names), R"({"available_map":{"a\"":true,"b":false}})");
  user::BatchUserInfoResp users;
  users.users[UserId(5)];
  EXPECT_TRUE(written(users).starts_with(R"({"users":{"5":{"id":0,)"));
  EXPECT_EQ(
      written(std::vector<UserBrief>(2)),
      R"([{"id":0,"username":"","avatar":"","isFollow":false},{"id":0,"username":"","avatar":"","isFollow":false}])");
}

TEST(Json, HiddenFieldsAreNeitherReadNorWritten) {
  auto r = read_json<interaction::LikeActionReq>(R"({"video_id":9,"user_id":5,"action":true})");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->video_id, VideoId(9));
  EXPECT_EQ(r->user_id, UserId{});
  EXPECT_EQ(written(*r), R"({"video_id":9})");
}

TEST(Json, MissingNullAndEmptyValuesOfRequiredFieldsAreNamed) {
  using user::RegisterReq;
  EXPECT_EQ(body<RegisterReq>(R"({"username":"ann","password":"12345678"})"), "ok");
  for (const char* text : {"", "{}", R"({"username":null,"password":"12345678"})",
                           R"({"username":"","password":"12345678"})"})
    EXPECT_EQ(body<RegisterReq>(text), "username_required") << text;
  EXPECT_EQ(body<interaction::LikeActionReq>(R"({"video_id":0})"), "video_id_required");
}

TEST(Json, LengthsCountCharactersAndBytesCountBytes) {
  auto reg = [](const std::string& name, const std::string& password) {
    return body<user::RegisterReq>(R"({"username":")" + name + R"(","password":")" + password +
                                   "\"}");
  };
  std::string wide;
  for (int i = 0; i < 32; ++i) wide += "视";
  EXPECT_EQ(reg(wide, "12345678"), "ok");
  EXPECT_EQ(reg(wide + "x", "12345678"), "username_too_long");
  EXPECT_EQ(reg("a", "1234567"), "password_too_short");
  EXPECT_EQ(reg("a", std::string(72, 'x')), "ok");
  EXPECT_EQ(reg("a", std::string(73, 'x')), "password_too_long");
  EXPECT_EQ(reg("a", wide), "password_too_long");  // 96 bytes
}

TEST(Json, WrongTypesNameTheField) {
  using interaction::LikeActionReq;
  for (const char* v : {"\"9\"", "1.0", "1e2", "true", "[]", "{}", "9.5"})
    EXPECT_EQ(body<LikeActionReq>(std::string(R"({"video_id":)") + v + "}"), "video_id_wrong_type")
        << v;
  EXPECT_EQ(body<user::LoginReq>(R"({"username":5,"password":"x"})"), "username_wrong_type");
  EXPECT_EQ(body<live::SetRoomAdminReq>(R"({"room_id":1,"user_id":2,"on":1})"), "on_wrong_type");
  EXPECT_EQ(body<user::BatchCheckUsernamesReq>(R"({"usernames":"a"})"), "usernames_wrong_type");
  EXPECT_EQ(body<user::BatchCheckUsernamesReq>(R"({"usernames":[1]})"), "usernames_wrong_type");
  EXPECT_EQ(body<danmu::SetDanmuFilterReq>(R"({"live_id":1,"filter":[]})"), "filter_wrong_type");
  EXPECT_EQ(body<user::LoginReq>("[]"), "body_wrong_type");
  for (const char* text : {"{", "nul", R"({"a":1}x)", R"({"a":"\ud800"})"}) {
    auto r = read_json<user::LoginReq>(text);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().token, "invalid_json") << text;
  }
}

TEST(Json, IdsEndAtTwoToThe53AndNumbersAtTheirType) {
  auto like = [](const char* v) {
    return body<interaction::LikeActionReq>(std::string(R"({"video_id":)") + v + "}");
  };
  EXPECT_EQ(like("9007199254740991"), "ok");
  for (const char* v : {"9007199254740992", "-1", "9223372036854775808", "99999999999999999999999"})
    EXPECT_EQ(like(v), "video_id_out_of_range") << v;
  auto page = [](const char* v) {
    return body<user::SearchUsersReq>(std::string(R"({"keyword":"k","page":)") + v + "}");
  };
  EXPECT_EQ(page("2147483647"), "ok");
  EXPECT_EQ(page("2147483648"), "page_out_of_range");
  EXPECT_EQ(page("0"), "page_out_of_range");
}

TEST(Json, CapsLowerWithoutComplaintAndDefaultsFillIn) {
  auto size = [](const char* text) {
    return read_json<user::SearchUsersReq>(std::string(R"({"keyword":"k")") + text + "}")
        .value()
        .page_size;
  };
  EXPECT_EQ(size(""), 10);
  EXPECT_EQ(size(R"(,"page_size":null)"), 10);
  EXPECT_EQ(size(R"(,"page_size":100)"), 100);
  EXPECT_EQ(size(R"(,"page_size":101)"), 100);
  EXPECT_EQ(size(R"(,"page_size":99999999999999999999)"), 100);
  EXPECT_EQ(size(R"(,"page_size":5,"page_size":6)"), 6);
}

TEST(Json, PatternsMatchTheWholeText) {
  auto color = [](const std::string& v) {
    return body<danmu::SendDanmuReq>(R"({"content":"c","color":")" + v + "\"}");
  };
  EXPECT_EQ(color("#FFAA00"), "ok");
  for (const char* v : {"#FFAA0", "x#FFAA00", "#FFAA001", "red", ""})
    EXPECT_EQ(color(v), "color_invalid") << v;
  EXPECT_EQ(color(std::string(1'000'000, 'F')), "color_invalid");
  EXPECT_EQ(body<recommend::UserActionReq>(R"({"item_id":1,"item_type":"vide","action":"x"})"),
            "item_type_invalid");
  EXPECT_EQ(body<recommend::UserActionReq>(R"({"item_id":1,"item_type":"tag","action":"x"})"),
            "ok");
}

TEST(Json, TextsAreUtf8WithoutNul) {
  using user::LoginReq;
  auto login = [](std::string name) {
    return body<LoginReq>(R"({"username":")" + name + R"(","password":"x"})");
  };
  EXPECT_EQ(login("视🎬"), "ok");
  for (const char* v :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe8\xa7", "a\\u0000b"})
    EXPECT_EQ(login(v), "username_invalid") << v;
  EXPECT_EQ(query<LoginReq>("username", "\xff"), "username_invalid");
}

TEST(Json, QueriesAreParsedAsTheFieldsType) {
  using user::SearchUsersReq;
  std::vector<std::pair<std::string, std::string>> params{
      {"keyword", "1"}, {"page", "2"}, {"page", "3"}, {"page_size", ""}, {"other", "x"}};
  auto r = read_params<SearchUsersReq>(params);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->keyword, "1");
  EXPECT_EQ(r->page, 3);
  EXPECT_EQ(r->page_size, 10);
  params.emplace_back("page", "x");
  EXPECT_EQ(outcome(read_params<SearchUsersReq>(params)), "page_wrong_type");
  params.back().second = "99999999999999999999";
  EXPECT_EQ(outcome(read_params<SearchUsersReq>(params)), "page_out_of_range");
  EXPECT_EQ(query<video::VideoDetailReq>("id", "12x"), "id_wrong_type");
  EXPECT_EQ(query<video::VideoDetailReq>("id", "-1"), "id_out_of_range");
  EXPECT_EQ(query<video::VideoDetailReq>("id", "12"), "ok");
  EXPECT_EQ(query<live::GetLiveRoomsReq>("following_only", "maybe"), "following_only_wrong_type");
  EXPECT_EQ(query<live::GetLiveRoomsReq>("following_only", "1"), "ok");
  auto names = read_params<user::BatchCheckUsernamesReq>(
      std::vector<std::pair<std::string, std::string>>{{"usernames", "a, b,,c"}});
  ASSERT_TRUE(names);
  EXPECT_EQ(names->usernames, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Services, AreAbsentUntilWired) {
  Services services;
  EXPECT_NE(services.user, nullptr);
  EXPECT_NE(services.recommend, nullptr);
}

}  // namespace
}  // namespace sv
