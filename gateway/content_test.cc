#include "gateway/content.h"

#include <zlib.h>

#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

std::string unzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  inflateEnd(&stream);
  return out;
}

TEST(Content, GzipIsTakenOnlyByThoseWhoSaySo) {
  for (const char* yes : {"gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP", "x-gzip", "*",
                          "gzip ; q=0.001", "br;q=1.0,gzip;q=0.8", "identity;q=0, *;q=1"})
    EXPECT_TRUE(takes_gzip(yes)) << yes;
  for (const char* no : {"", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "*, gzip;q=0",
                         "gzipped", "deflate;q=1"})
    EXPECT_FALSE(takes_gzip(no)) << no;
}

TEST(Content, ALongPageIsCompressedAndASmallOneIsNot) {
  World w;
  w.videos.title = std::string(2000, 'x');
  FakeExchange zipped("GET", "/api/video/feed");
  w.serve(zipped.with("accept-encoding", "gzip"));
  const auto plain = w.get("/api/video/feed");
  EXPECT_EQ(zipped.answer_header("Content-Encoding"), "gzip");
  EXPECT_EQ(plain.answer_header("Content-Encoding"), "");
  EXPECT_LT(zipped.answer_body.size(), plain.answer_body.size() / 4);
  EXPECT_EQ(unzip(zipped.answer_body), plain.answer_body);
  EXPECT_EQ(w.videos.feeds, 1) << "both forms are of one page";
  for (const auto& x : {zipped, plain})
    EXPECT_NE(x.answer_head.find("Vary: Accept-Encoding\r\n"), std::string::npos);

  w.videos.title = "short";
  w.revision.bump();
  FakeExchange small("GET", "/api/video/feed");
  w.serve(small.with("accept-encoding", "gzip"));
  EXPECT_EQ(small.answer_header("Content-Encoding"), "");
  EXPECT_NE(small.answer_head.find("Vary: Accept-Encoding\r\n"), std::string::npos);
}

TEST(Content, AnAnswerForOnePersonIsCompressedToo) {
  World w;
  w.videos.title = std::string(2000, 'x');
  FakeExchange x("GET", "/api/video/feed");
  w.serve(x.with("accept-encoding", "gzip").with("authorization", w.bearer(7)));
  EXPECT_EQ(x.answer_header("Content-Encoding"), "gzip");
  EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store");
  EXPECT_EQ(x.answer_header("ETag"), "");
  EXPECT_NE(unzip(x.answer_body).find("xxxx"), std::string::npos);
}

TEST(Content, EitherFormsTagIsKnownAgain) {
  World w;
  w.videos.title = std::string(2000, 'x');
  FakeExchange zipped("GET", "/api/video/feed");
  w.serve(zipped.with("accept-encoding", "gzip"));
  const std::string plain_tag = w.get("/api/video/feed").answer_header("ETag"),
                    zipped_tag = zipped.answer_header("ETag");
  EXPECT_EQ(zipped_tag, plain_tag.substr(0, plain_tag.size() - 1) + "-gz\"");
  for (const auto& tag : {plain_tag, zipped_tag})
    for (const char* coding : {"gzip", "identity"}) {
      FakeExchange again("GET", "/api/video/feed");
      w.serve(again.with("accept-encoding", coding).with("if-none-match", tag));
      EXPECT_EQ(again.answered_status, 304) << tag << coding;
      EXPECT_EQ(again.answer_header("ETag"), tag);
      EXPECT_EQ(again.answer_header("Content-Encoding"), "");
    }
  FakeExchange other("GET", "/api/video/feed");
  EXPECT_EQ(w.serve(other.with("if-none-match", "\"another\"")).answered_status, 200);
}

TEST(Content, PublicAnswersThatAreNotKeptHaveATagToo) {
  World w;
  const auto first = w.get("/api/social/check?user_id=1&target_user_id=2");
  if (first.answered_status != 200) GTEST_FAIL() << first.answer_body;
  EXPECT_EQ(first.answer_header("Cache-Control"), "no-cache");
  FakeExchange again("GET", "/api/social/check?user_id=1&target_user_id=2");
  w.serve(again.with("if-none-match", first.answer_header("ETag")));
  EXPECT_EQ(again.answered_status, 304);
}

TEST(Content, DocumentsAndPagesAreAskedForAgainByTheirTags) {
  World w({.public_url = "https://sv.example"});
  for (const char* path : {"/openapi.json", "/docs", "/", "/video/5", "/web/docs.js"}) {
    const auto first = w.get(path);
    ASSERT_EQ(first.answered_status, 200) << path;
    FakeExchange zipped("GET", path), again("GET", path);
    w.serve(zipped.with("accept-encoding", "gzip"));
    if (zipped.answer_header("Content-Encoding") == "gzip")
      EXPECT_EQ(unzip(zipped.answer_body), first.answer_body) << path;
    else EXPECT_STREQ(path, "/video/5");
    EXPECT_EQ(w.serve(again.with("if-none-match", first.answer_header("ETag"))).answered_status,
              304)
        << path;
  }
}

}  // namespace
}  // namespace sv::gateway::testing
