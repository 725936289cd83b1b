#include "gateway/address.h"
#include "gateway/playlist.h"
#include "gateway/test_support.h"
#include "platform/auth/signed_url.h"

namespace sv::gateway::testing {
namespace {

class Media : public ::testing::Test {
 protected:
  Media() {
    add("/media/5/1/720.mp4", "video/mp4", "0123456789", true);
    add("/media/6/1/720.mp4", "video/mp4", "secret", false);
    add("/media/6/1/index.m3u8", "application/vnd.apple.mpegurl",
        "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\nseg1.m4s\n", false);
  }
  void add(const std::string& path, const std::string& type, const std::string& bytes,
           bool is_public) {
    video::AuthorizeMediaResp grant;
    grant.object_key = path.substr(1);
    grant.is_public = is_public;
    grant.content_type = type;
    grant.signed_prefix = path.substr(0, path.rfind('/') + 1);
    w.videos.media[path] = grant;
    w.objects.objects[grant.object_key] = bytes;
  }
  FakeExchange get(const std::string& target, const std::string& name = {},
                   const std::string& value = {}) {
    FakeExchange x("GET", target);
    if (!name.empty()) x.with(name, value);
    w.serve(x);
    return x;
  }
  std::string sign(const std::string& prefix) {
    return auth::UrlSigner(w.keys, w.clock).sign(prefix, std::chrono::hours(1));
  }

  World w;
};

TEST_F(Media, APublicFileIsWholeAndImmutable) {
  const auto x = get("/media/5/1/720.mp4");
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_EQ(x.answer_body, "0123456789");
  EXPECT_EQ(x.answer_header("Content-Type"), "video/mp4");
  EXPECT_EQ(x.answer_header("Cache-Control"), "public, max-age=86400, immutable");
  EXPECT_EQ(x.answer_header("Accept-Ranges"), "bytes");
  EXPECT_EQ(x.answer_header("Last-Modified"), "Thu, 01 Jan 2026 00:00:00 GMT");
}

TEST_F(Media, ARangeIsAnswered206OrRefused416) {
  const auto part = get("/media/5/1/720.mp4", "range", "bytes=2-4");
  EXPECT_EQ(part.answered_status, 206);
  EXPECT_EQ(part.answer_body, "234");
  EXPECT_EQ(part.answer_header("Content-Range"), "bytes 2-4/10");
  const auto outside = get("/media/5/1/720.mp4", "range", "bytes=10-");
  EXPECT_EQ(outside.answered_status, 416);
  EXPECT_EQ(outside.answer_header("Content-Range"), "bytes */10");
  EXPECT_EQ(outside.answer_header("Cache-Control"), "private, no-store");
  EXPECT_FALSE(outside.answer_head.contains("immutable"));
  EXPECT_EQ(outside.answer_header("Content-Type"), "");
}

TEST_F(Media, HeadIgnoresARange) {
  for (const char* range : {"bytes=2-4", "bytes=10-"}) {
    FakeExchange x("HEAD", "/media/5/1/720.mp4");
    w.serve(x.with("range", range));
    EXPECT_EQ(x.answered_status, 200) << range;
    EXPECT_EQ(x.answer_header("Content-Range"), "");
  }
}

TEST_F(Media, AFileThatCannotBeReadIsNotAnsweredWithItsCaching) {
  w.objects.broken = true;
  const auto x = get("/media/6/1/index.m3u8?" + sign("/media/6/1/"));
  EXPECT_EQ(x.answered_status, 500);
  EXPECT_EQ(x.answer_header("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store");
  EXPECT_EQ(x.answer_head.find("Cache-Control"), x.answer_head.rfind("Cache-Control"));
}

TEST_F(Media, ARangeOfAnotherVersionGetsTheWholeFile) {
  FakeExchange x("GET", "/media/5/1/720.mp4");
  w.serve(x.with("range", "bytes=2-4").with("if-range", "\"another\""));
  EXPECT_EQ(x.answered_status, 200);
  FakeExchange same("GET", "/media/5/1/720.mp4");
  w.serve(same.with("range", "bytes=2-4").with("if-range", x.answer_header("ETag")));
  EXPECT_EQ(same.answered_status, 206);
}

// A store that serves by itself is asked only for what is public, and only when that is wanted.
TEST_F(Media, PublicFilesMayComeFromTheStoreItself) {
  w.objects.serves = true;
  EXPECT_EQ(get("/media/5/1/720.mp4").answered_status, 200);

  World redirecting({.media_redirect = true});
  redirecting.videos.media = w.videos.media;
  redirecting.objects.objects = w.objects.objects;
  redirecting.objects.serves = true;
  const auto shown = redirecting.get("/media/5/1/720.mp4");
  EXPECT_EQ(shown.answered_status, 307);
  EXPECT_EQ(shown.answer_header("Location").substr(0, 13), "http://store/");
  EXPECT_EQ(shown.answer_header("Cache-Control"), "no-store");
  EXPECT_EQ(redirecting.get("/media/6/1/720.mp4?" + sign("/media/6/1/")).answered_status, 200);
  FakeExchange head("HEAD", "/media/5/1/720.mp4");
  EXPECT_EQ(redirecting.serve(head).answered_status, 200);
}

TEST_F(Media, AKnownVersionIs304) {
  const auto first = get("/media/5/1/720.mp4");
  EXPECT_EQ(get("/media/5/1/720.mp4", "if-none-match", first.answer_header("ETag")).answered_status,
            304);
  EXPECT_EQ(get("/media/5/1/720.mp4", "if-modified-since", first.answer_header("Last-Modified"))
                .answered_status,
            304);
  EXPECT_EQ(get("/media/5/1/720.mp4", "if-none-match", "\"x\"").answered_status, 200);
}

TEST_F(Media, UnknownPathsAndTricksAre404) {
  EXPECT_EQ(get("/media/9/1/720.mp4").answered_status, 404);
  EXPECT_EQ(get("/media/../auth.keys").answered_status, 404);
  EXPECT_EQ(get("/media/%2e%2e/auth.keys").answered_status, 404);
  EXPECT_EQ(get("/media/%zz").answered_status, 404);
}

TEST_F(Media, AFileThatIsNotPublicNeedsItsSignature) {
  EXPECT_EQ(get("/media/6/1/720.mp4").answered_status, 404);
  EXPECT_EQ(get("/media/6/1/720.mp4?" + sign("/media/5/1/")).answered_status, 404);
  const auto x = get("/media/6/1/720.mp4?" + sign("/media/6/1/"));
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-cache");
  const std::string link = "/media/6/1/720.mp4?" + sign("/media/6/1/");
  w.clock.advance(std::chrono::hours(3));
  EXPECT_EQ(get(link).answered_status, 404);
}

TEST_F(Media, ASignedPlaylistRepeatsTheSignature) {
  const std::string query = sign("/media/6/1/");
  const auto x = get("/media/6/1/index.m3u8?" + query);
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_EQ(x.answer_body,
            "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4?" + query + "\"\nseg1.m4s?" + query + "\n");
}

TEST_F(Media, ADecisionIsKeptUntilTheContentChanges) {
  get("/media/5/1/720.mp4");
  get("/media/5/1/720.mp4");
  EXPECT_EQ(w.videos.authorized, 1);
  w.videos.media.clear();
  w.revision.bump();
  EXPECT_EQ(get("/media/5/1/720.mp4").answered_status, 404);
}

TEST_F(Media, WhatRestsOnPrivacyHeardEarlierIsKeptByNobody) {
  w.videos.uncertain = true;
  for (int i = 1; i <= 2; ++i) {
    const auto x = get("/media/5/1/720.mp4");
    EXPECT_EQ(x.answered_status, 200);
    EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store");
    EXPECT_EQ(w.videos.authorized, i);
  }
  w.videos.uncertain = false;
  EXPECT_TRUE(get("/media/5/1/720.mp4").answer_header("Cache-Control").starts_with("public"));
}

TEST(Addresses, CutOnesNameNobody) {
  EXPECT_EQ(cut_address("203.0.113.77"), "203.0.113.0");
  EXPECT_EQ(cut_address("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
  EXPECT_EQ(cut_address("::ffff:203.0.113.77"), "203.0.113.0");
  EXPECT_EQ(cut_address("nobody"), "");
}

TEST(Playlist, TheFragmentOfASpriteCueStaysLast) {
  EXPECT_EQ(sign_sprite_track("WEBVTT\n\n00:00 --> 00:02\nsprite.jpg#xywh=0,0,160,90\n", "sig=1"),
            "WEBVTT\n\n00:00 --> 00:02\nsprite.jpg?sig=1#xywh=0,0,160,90\n");
}

}  // namespace
}  // namespace sv::gateway::testing
