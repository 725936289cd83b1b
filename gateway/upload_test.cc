#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

std::string part(const std::string& name, const std::string& data,
                 const std::string& filename = {}) {
  return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"" +
         (filename.empty() ? "" : "; filename=\"" + filename + "\"") + "\r\n\r\n" + data + "\r\n";
}
constexpr const char* kEnd = "--B--\r\n";

class UploadRoute : public ::testing::Test {
 protected:
  FakeExchange upload(std::string body, std::size_t chunk = 1 << 16) {
    FakeExchange x = request(std::move(body));
    x.chunk = chunk;
    w.serve(x);
    return x;
  }
  FakeExchange request(std::string body) {
    FakeExchange x("POST", "/api/auth/video/upload", std::move(body));
    x.with("content-type", "multipart/form-data; boundary=B").with("authorization", w.bearer(42));
    return x;
  }
  World w;
};

TEST_F(UploadRoute, AFormBecomesAVideo) {
  const auto x =
      upload(part("title", "my film") + part("tags", "a, b") + part("visibility", "private") +
             part("cover", "jpeg", "c.jpg") + part("video", "abc", "../../x.mp4") + kEnd);
  ASSERT_EQ(x.answered_status, 200) << x.answer_body;
  EXPECT_EQ(x.json().at("data").at("id").as_int64(), 9);
  EXPECT_EQ(w.objects.objects["uploads/9"], "abc");
  EXPECT_EQ(w.objects.objects["uploads/9.cover"], "jpeg");
  ASSERT_TRUE(w.videos.finished);
  EXPECT_EQ(w.videos.finished->user_id, UserId(42));
  EXPECT_EQ(w.videos.finished->title, "my film");
  EXPECT_EQ(w.videos.finished->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(w.videos.finished->visibility, "private");
  EXPECT_EQ(w.videos.finished->size, 3);
  EXPECT_EQ(w.videos.finished->sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(w.videos.finished->cover_key, "uploads/9.cover");
  EXPECT_EQ(w.videos.aborted, 0);
}

TEST_F(UploadRoute, TheOrderOfPartsAndTheSizeOfReadsDoNotMatter) {
  const auto x = upload(
      part("video", "abc", "x.mp4") + part("other", "ignored") + part("title", "later") + kEnd, 1);
  ASSERT_EQ(x.answered_status, 200) << x.answer_body;
  EXPECT_EQ(w.objects.objects["uploads/9"], "abc");
  EXPECT_EQ(w.videos.finished->title, "later");
  EXPECT_FALSE(w.videos.finished->cover_key);
}

TEST_F(UploadRoute, AMissingOrEmptyPartIsNamed) {
  EXPECT_EQ(upload(part("title", "t") + kEnd).token(), "video_required");
  EXPECT_EQ(upload(part("title", "t") + part("video", "", "x.mp4") + kEnd).token(),
            "video_required");
  EXPECT_EQ(upload(part("video", "abc", "x.mp4") + kEnd).token(), "title_required");
  EXPECT_EQ(w.videos.aborted, 2);
}

TEST_F(UploadRoute, WhatGoesWrongIsAborted) {
  const std::string form = part("title", "t") + part("video", "abc", "x.mp4") + kEnd;
  w.videos.finish_error = fail(Errc::unsupported_media, "media_unsupported").error();
  EXPECT_EQ(upload(form).answered_status, 415);
  EXPECT_EQ(w.videos.aborted, 1);
  w.objects.full = true;
  const auto full = upload(form);
  EXPECT_EQ(full.answered_status, 507);
  EXPECT_TRUE(full.closed);
  EXPECT_EQ(w.videos.aborted, 2);
}

TEST_F(UploadRoute, ACutConnectionIsAborted) {
  FakeExchange x = request(part("title", "t") + part("video", "abc", "x.mp4"));
  x.cut = true;
  w.serve(x);
  EXPECT_EQ(w.videos.aborted, 1);
  EXPECT_FALSE(w.videos.finished);
}

TEST_F(UploadRoute, ATruncatedFormIsRefused) {
  const auto x = upload(part("title", "t") + part("video", "abc", "x.mp4"));
  EXPECT_EQ(x.token(), "multipart_invalid");
  EXPECT_EQ(w.videos.aborted, 1);
}

TEST_F(UploadRoute, AnotherContentTypeIs415) {
  FakeExchange x = request("{}");
  x.with("content-type", "application/json");
  EXPECT_EQ(w.serve(x).answered_status, 415);
}

TEST(UploadLimit, IsCheckedBeforeReadingAndWhileReading) {
  World w({.upload_bytes = 100});
  FakeExchange declared("POST", "/api/auth/video/upload", "x");
  declared.declared = 1ULL << 30;
  w.serve(declared.with("content-type", "multipart/form-data; boundary=B")
              .with("authorization", w.bearer(1)));
  EXPECT_EQ(declared.answered_status, 413);
  EXPECT_EQ(declared.bytes_in(), 0u);
  FakeExchange large("POST", "/api/auth/video/upload",
                     part("video", std::string(101, 'x'), "x.mp4") + kEnd);
  w.serve(large.with("content-type", "multipart/form-data; boundary=B")
              .with("authorization", w.bearer(1)));
  EXPECT_EQ(large.answered_status, 413);
  EXPECT_EQ(w.videos.aborted, 1);
  EXPECT_TRUE(w.objects.objects.empty());
}

}  // namespace
}  // namespace sv::gateway::testing
