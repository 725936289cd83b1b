// Two gateways of one installation, which share a cache and nothing else.
#include <gtest/gtest.h>

#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

class OwnWritesTest : public ::testing::Test {
 protected:
  OwnWritesTest() { cache_.is_shared = true; }

  // What `user` gets at the other gateway is read past the memory of these.
  ServiceSet fresh_at_other(std::int64_t user) {
    FakeExchange x("GET", "/api/auth/user/profile");
    x.headers["authorization"] = other_.bearer(user);
    EXPECT_EQ(other_.serve(x).answered_status, 200);
    return other_.users.fresh;
  }
  int follow(std::int64_t user) {
    FakeExchange x("POST", "/api/auth/social/follow");
    x.headers["authorization"] = one_.bearer(user);
    x.headers["content-type"] = "application/json";
    x.request_body = R"({"target_user_id":9})";
    return one_.serve(x).answered_status;
  }

  FakeCache cache_;
  World one_{{}, &cache_}, other_{{}, &cache_};
};

TEST_F(OwnWritesTest, TheServiceThatWasWrittenIsReadAnewByTheWriterAlone) {
  EXPECT_EQ(fresh_at_other(1), ServiceSet{});
  ASSERT_EQ(follow(1), 200);
  EXPECT_EQ(fresh_at_other(1), ServiceSet{Service::social});
  EXPECT_EQ(fresh_at_other(2), ServiceSet{});
}

TEST_F(OwnWritesTest, ASecondWriteElsewhereDoesNotHideTheFirst) {
  ASSERT_EQ(follow(1), 200);
  FakeExchange x("POST", "/api/auth/user/logout");
  x.headers["authorization"] = one_.bearer(1);
  ASSERT_EQ(one_.serve(x).answered_status, 200);
  EXPECT_EQ(fresh_at_other(1), (ServiceSet{Service::user, Service::social}));
}

TEST_F(OwnWritesTest, WhoSignsUpHasWrittenHisAccount) {
  FakeExchange x("POST", "/api/user/register");
  x.headers["content-type"] = "application/json";
  x.request_body = R"({"username":"alice","password":"right password"})";
  ASSERT_EQ(one_.serve(x).answered_status, 200);
  EXPECT_EQ(fresh_at_other(7), ServiceSet{Service::user});
}

TEST_F(OwnWritesTest, AnUploadIsNotedBeforeItIsAnswered) {
  FakeExchange x("POST", "/api/auth/video/upload");
  x.headers["authorization"] = one_.bearer(1);
  x.headers["content-type"] = "multipart/form-data; boundary=b";
  x.request_body =
      "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nT\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"video\"; filename=\"v\"\r\n\r\nMMMM\r\n--b--"
      "\r\n";
  ASSERT_EQ(one_.serve(x).answered_status, 200);
  EXPECT_EQ(fresh_at_other(1), ServiceSet{Service::video});
}

TEST_F(OwnWritesTest, WhatFailedWroteNothing) {
  FakeExchange x("POST", "/api/auth/social/follow");
  x.headers["authorization"] = one_.bearer(1);
  x.headers["content-type"] = "application/json";
  x.request_body = "{";
  ASSERT_EQ(one_.serve(x).answered_status, 400);
  EXPECT_EQ(fresh_at_other(1), ServiceSet{});
}

TEST_F(OwnWritesTest, WhileTheCacheIsSilentEverythingIsReadAnew) {
  cache_.down = true;
  EXPECT_EQ(fresh_at_other(1), ServiceSet::all());
}

TEST_F(OwnWritesTest, AProcessAloneKeepsNothing) {
  cache_.is_shared = false;
  ASSERT_EQ(follow(1), 200);
  EXPECT_TRUE(cache_.bits.empty());
}

// 200 at once for a signed-in reader.
TEST_F(OwnWritesTest, TokensAreTakenInChunksAndNoneTooMany) {
  int served = 0;
  for (int i = 0; i < 260; ++i) {
    FakeExchange x("GET", "/api/auth/user/profile");
    World& gateway = i % 2 == 0 ? one_ : other_;
    x.headers["authorization"] = gateway.bearer(1);
    const int status = gateway.serve(x).answered_status;
    EXPECT_TRUE(status == 200 || status == 429);
    served += status == 200;
  }
  EXPECT_EQ(served, 200);
  EXPECT_LT(cache_.asked, 10 + 2 * 60 + 1);  // ten chunks, then twice for each that is refused
}

TEST_F(OwnWritesTest, WhatIsLeftOfAChunkIsTold) {
  for (const char* left : {"r=199", "r=198"}) {
    FakeExchange x("GET", "/api/auth/user/profile");
    x.headers["authorization"] = one_.bearer(1);
    one_.serve(x);
    EXPECT_TRUE(x.answer_header("RateLimit").contains(left)) << x.answer_header("RateLimit");
  }
  EXPECT_EQ(cache_.asked, 1);
}

}  // namespace
}  // namespace sv::gateway::testing
