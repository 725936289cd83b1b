// The object store on real S3 servers: SV_TEST_S3 (MinIO) and SV_TEST_S3_OTHER (Versity Gateway)
// name them, with credentials that a URL must escape.
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "platform/adapters/s3_client.h"
#include "platform/adapters/s3_objects.h"
#include "platform/adapters/s3_sign.h"
#include "platform/adapters/s3_writer.h"
#include "platform/adapters/test_proxy.h"
#include "platform/core/block_on.h"
#include "platform/core/encoding.h"
#include "platform/core/time.h"
#include "platform/crypto/random.h"
#include "platform/crypto/sha256.h"
#include "platform/net/http_client.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

std::string s3_url(const char* name) {
  const char* url = std::getenv(name);
  return url ? url : "";
}

ThreadPool& s3_disk() {
  static ThreadPool pool("disk", 2, 256);
  return pool;
}

// A prefix for each folder, which has what a URL and a signature must escape.
std::string s3_url_of(std::string url, const std::filesystem::path& folder) {
  return fmt::format("{}/%E7%9F%AD%20a+b%23%25:{}", url, sha256_hex(folder.string()).substr(0, 16));
}

using S3Maker = std::function<std::unique_ptr<ObjectStore>(const std::filesystem::path&)>;
std::vector<S3Maker> s3_stores() {
  std::vector<S3Maker> out;
  for (const char* name : {"SV_TEST_S3", "SV_TEST_S3_OTHER"}) {
    if (const std::string url = s3_url(name); !url.empty())
      out.emplace_back([url](const std::filesystem::path& folder) {
        auto made = make_s3_objects({.url = s3_url_of(url, folder)}, s3_disk());
        if (!made) throw std::runtime_error(made.error().detail);
        return std::move(*made);
      });
  }
  return out;
}

struct S3Test : ::testing::TestWithParam<const char*> {
  void SetUp() override {
    if (s3_url(GetParam()).empty())
      GTEST_SKIP() << GetParam() << " names no server (script/engines starts one)";
    url = s3_url_of(s3_url(GetParam()), folder.path());
    store = open();
  }
  std::unique_ptr<ObjectStore> open() {
    return std::move(make_s3_objects({.url = url}, s3_disk()).value());
  }
  Result<> put(std::string key, std::string_view text) {
    SV_TRY(auto writer, run_task(store->put(std::move(key))));
    SV_CHECK(run_task(writer->write(std::as_bytes(std::span(text)))));
    return run_task(writer->commit());
  }
  Result<std::string> get(std::string key) {
    SV_TRY(auto reader, run_task(store->open(std::move(key))));
    std::string out(reader->size(), '\0');
    for (std::size_t at = 0; at < out.size();) {
      SV_TRY(const std::size_t n,
             run_task(reader->read(at, std::as_writable_bytes(std::span(out)).subspan(at))));
      if (n == 0) break;
      at += n;
    }
    return out;
  }
  // Calls the server as the store does, to look at what the port does not show.
  template <class F>
  auto ask(F f) {
    asio::io_context loop(1);
    s3::Client client(loop.get_executor(), s3::parse_url(url).value(), nullptr);
    auto out = asio::co_spawn(loop, f(client), asio::use_future);
    loop.run();
    return out.get();
  }
  std::vector<s3::Upload> uploads(const std::string& key) {
    return ask([key](s3::Client& client) { return client.uploads(client.place().prefix + key); })
        .value();
  }

  TempDir folder;
  std::string url;
  std::unique_ptr<ObjectStore> store;
};

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 2654435761u) >> 13);
  return out;
}

net::HttpReply fetch(std::string_view url, std::string method = "GET", std::string headers = "",
                     std::string body = "") {
  url.remove_prefix(url.find("//") + 2);
  const std::string_view authority = url.substr(0, url.find('/'));
  return block_on(net::http_call({.host = std::string(authority.substr(0, authority.find(':'))),
                                  .port = std::string(authority.substr(authority.find(':') + 1)),
                                  .method = std::move(method),
                                  .target = std::string(url.substr(url.find('/'))),
                                  .headers = std::move(headers),
                                  .body = std::move(body)}))
      .value();
}

}  // namespace

// The examples of AWS's description of Signature Version 4.
TEST(S3Sign, AgreesWithThePublishedExamples) {
  const s3::Credentials who{.access = "AKIAIOSFODNN7EXAMPLE",
                            .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                            .region = "us-east-1"};
  constexpr std::int64_t kTime = 1369353600'000;  // 2013-05-24
  s3::Request request{.host = "examplebucket.s3.amazonaws.com",
                      .path = "/",
                      .query = {{"lifecycle", ""}},
                      .payload = sha256_hex("")};
  EXPECT_NE(s3::signature_lines(who, request, kTime)
                .find("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            std::string::npos);
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_NE(s3::signature_lines(who, request, kTime)
                .find("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            std::string::npos);
  request.path = "/test.txt";
  request.query = {};
  EXPECT_NE(s3::presigned_target(who, request, kTime, 86400s)
                .find("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            std::string::npos);
}

TEST(S3Url, IsTakenApart) {
  const auto full =
      s3::parse_url(
          "s3+https://me:a%2Fb%2Bc%25@media.example/clips/one/%E7%9F%AD?region=eu-west-1&ca=/ca.pem"
          "&public=https://cdn.example/")
          .value();
  EXPECT_EQ(full.origin.host, "media.example");
  EXPECT_EQ(full.origin.port, "443");
  EXPECT_TRUE(full.origin.tls);
  EXPECT_EQ(full.origin.authority, "/ca.pem");
  EXPECT_EQ(full.who.access, "me");
  EXPECT_EQ(full.who.secret, "a/b+c%");
  EXPECT_EQ(full.who.region, "eu-west-1");
  EXPECT_EQ(full.bucket, "clips");
  EXPECT_EQ(full.prefix, "one/短/");
  EXPECT_EQ(full.shown, "https://cdn.example");
  EXPECT_EQ(s3::parse_url("s3+http://a:b@[::1]:9000/bucket").value().origin.host, "::1");
  for (const char* bad :
       {"s3:", "s3+http://h:9000/bucket", "s3+http://a:b@h:9000", "s3+http://a:b@h:9000/ab",
        "s3+http://a:b@h:x/bucket", "s3+http://a:%zz@h/bucket", "s3+http://a:b@h/bucket?x=y",
        "s3+http://a:sesame@/bucket"}) {
    const auto refused = s3::parse_url(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().detail.find("sesame"), std::string::npos);
  }
}

TEST(S3Store, WithoutAServerSaysSoInOneSentence) {
  Proxy nobody(0);
  nobody.cut(true);
  const std::string url = fmt::format("s3+http://a:secret@127.0.0.1:{}/bucket", nobody.port());
  const auto made = make_s3_objects({.url = url}, s3_disk());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::unavailable);
  EXPECT_NE(made.error().detail.find("does not answer"), std::string::npos) << made.error().detail;
  EXPECT_EQ(made.error().detail.find("secret"), std::string::npos);
  EXPECT_OK(make_s3_objects({.url = url, .may_be_away = true}, s3_disk()));
}

TEST_P(S3Test, WrongCredentialsAreNamedAtTheStart) {
  const auto place = s3::parse_url(url).value();
  const auto made =
      make_s3_objects({.url = fmt::format("s3+http://{}:wrong-{}@{}/{}", place.who.access, "secret",
                                          place.origin.authority_form(), place.bucket)},
                      s3_disk());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().token, "objects_refused") << made.error().detail;
  EXPECT_EQ(made.error().detail.find("wrong-secret"), std::string::npos);
}

TEST_P(S3Test, ANewBucketIsPrivateAndAPublicOneIsRefused) {
  const std::string bucket = "new-" + hex_encode(random_bytes(8));
  const std::string base = url.substr(0, url.find('/', 10));
  const std::string own = base + "/" + bucket;
  ASSERT_OK(make_s3_objects({.url = own}, s3_disk()));
  const std::string policy = fmt::format(
      R"({{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::{}/*"]}}]}})",
      bucket);
  asio::io_context loop(1);
  net::HttpPool pool(loop.get_executor(), s3::parse_url(own)->origin);
  const auto place = s3::parse_url(own).value();
  const s3::Request request{.method = "PUT",
                            .host = place.origin.authority_form(),
                            .path = "/" + bucket,
                            .query = {{"policy", ""}},
                            .payload = sha256_hex(policy)};
  const net::HttpAsk ask{.method = "PUT",
                         .target = s3::target_of(request),
                         .headers = s3::signature_lines(place.who, request, wall_now_ms()),
                         .body = policy};
  auto said = asio::co_spawn(loop, pool.call(ask), asio::use_future);
  loop.run();
  ASSERT_EQ(said.get().value().status / 100, 2);
  const auto refused = make_s3_objects({.url = own}, s3_disk());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().token, "objects_public") << refused.error().detail;
}

TEST_P(S3Test, ALargeObjectGoesUpInPartsAndIsReadAnywhere) {
  const std::string big = pattern((20u << 20) + 12'345);
  ASSERT_OK(put("videos/1/source.mp4", big));
  const auto back = get("videos/1/source.mp4");
  ASSERT_OK(back);
  EXPECT_TRUE(*back == big);
  EXPECT_TRUE(uploads("videos/1/source.mp4").empty());
}

TEST_P(S3Test, ADroppedWriterLeavesNoParts) {
  {
    auto writer = run_task(store->put("videos/2/source.mp4"));
    ASSERT_OK(writer);
    const std::string bytes = pattern(9u << 20);
    ASSERT_OK(run_task((*writer)->write(std::as_bytes(std::span(bytes)))));
  }
  store.reset();  // waits for what was begun
  EXPECT_TRUE(uploads("videos/2/source.mp4").empty());
}

TEST_P(S3Test, PartsOfAWriterThatDiedGoWithTheKey) {
  ASSERT_OK(ask([](s3::Client& client) {
    return client.begin_upload(client.place().prefix + "videos/3/source.mp4");
  }));
  ASSERT_EQ(uploads("videos/3/source.mp4").size(), 1u);
  ASSERT_OK(run_task(store->discard_append("videos/3/source.mp4")));
  EXPECT_TRUE(uploads("videos/3/source.mp4").empty());
}

// A part has at least 5 MiB; what is flushed may end anywhere.
TEST_P(S3Test, AnAppendOfManyFlushesIsWhole) {
  const std::string bytes = pattern((14u << 20) + 77);
  std::size_t at = 0;
  for (const std::size_t size : {1'000zu, 2zu << 20, 6zu << 20, 1zu, 3zu << 20}) {
    store = open();
    auto writer = run_task(store->append("up/9"));
    ASSERT_OK(writer);
    ASSERT_EQ((*writer)->offset(), at);
    ASSERT_OK(run_task((*writer)->write(std::as_bytes(std::span(bytes).subspan(at, size)))));
    ASSERT_OK(run_task((*writer)->flush()));
    at += size;
  }
  auto writer = run_task(store->append("up/9"));
  ASSERT_OK(writer);
  ASSERT_EQ((*writer)->offset(), at);
  ASSERT_OK(run_task((*writer)->write(std::as_bytes(std::span(bytes).subspan(at)))));
  ASSERT_OK(run_task((*writer)->commit()));
  const auto back = get("up/9");
  ASSERT_OK(back);
  EXPECT_TRUE(*back == bytes);
  EXPECT_TRUE(uploads("up/9").empty());
  EXPECT_TRUE(ask([](s3::Client& client) {
                return client.list(s3::tail_folder(client, "up/9"));
              })->empty());
}

TEST_P(S3Test, AListIsWholeBeyondAPage) {
  for (int i = 0; i < 1'050; ++i)
    ASSERT_OK(ask([i](s3::Client& client) {
      return client.put(fmt::format("{}many/{:04}", client.place().prefix, i), "x");
    }));
  const auto all = run_task(store->list("many/"));
  ASSERT_OK(all);
  ASSERT_EQ(all->size(), 1'050u);
  EXPECT_EQ(all->front().key, "many/0000");
  EXPECT_EQ(all->back().key, "many/1049");
  EXPECT_EQ(all->back().size, 1u);
}

TEST_P(S3Test, WhoHasAUrlReadsThatObjectAlone) {
  ASSERT_OK(put("videos/4/720.mp4", "frames of a film"));
  const auto shown = store->url_of("videos/4/720.mp4", "video/mp4", 60s);
  ASSERT_TRUE(shown);
  auto got = fetch(*shown);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "frames of a film");
  got = fetch(*shown, "GET", "Range: bytes=7-8\r\n");
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(got.body, "of");
  EXPECT_EQ(fetch(shown->substr(0, shown->find('?'))).status, 403);
  std::string other = *shown;
  other.replace(other.find("720.mp4"), 7, "480.mp4");
  EXPECT_EQ(fetch(other).status, 403);
  const std::string up = ask([](s3::Client& client) -> Task<std::string> {
    co_return client.presigned("PUT", client.place().prefix + "videos/4/up", {}, 60s);
  });
  EXPECT_EQ(fetch(up, "PUT", "", "put by whoever had the URL").status, 200);
  EXPECT_EQ(get("videos/4/up").value(), "put by whoever had the URL");
}

TEST_P(S3Test, AReaderOfAnObjectThatWasReplacedReadsNoMixture) {
  ASSERT_OK(put("k", pattern(3u << 20)));
  auto reader = run_task(store->open("k"));
  ASSERT_OK(reader);
  ASSERT_OK(put("k", pattern((3u << 20) + 1)));
  std::vector<std::byte> into(100);
  EXPECT_FALSE(run_task((*reader)->read(2u << 20, into)));
}

// Connections that were kept die with the server, and a server that is silent is not waited for.
TEST_P(S3Test, AServerThatComesBackIsUsedAgain) {
  const auto place = s3::parse_url(url).value();
  Proxy proxy(static_cast<std::uint16_t>(std::stoi(place.origin.port)));
  std::string through = url;
  through.replace(through.find(":" + place.origin.port + "/"), place.origin.port.size() + 1,
                  fmt::format(":{}", proxy.port()));
  store = std::move(make_s3_objects({.url = through}, s3_disk()).value());
  ASSERT_OK(put("a", "1"));
  proxy.cut();
  ASSERT_OK(put("a", "2"));
  proxy.cut(true);
  const auto refused = put("a", "3");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().token, "objects_unavailable");
  proxy.accept_again();
  Result<> done = put("a", "4");
  for (const auto end = std::chrono::steady_clock::now() + 5s;
       !done && std::chrono::steady_clock::now() < end;)
    done = put("a", "4");
  ASSERT_OK(done);
  EXPECT_EQ(get("a").value(), "4");
}

INSTANTIATE_TEST_SUITE_P(Servers, S3Test, ::testing::Values("SV_TEST_S3", "SV_TEST_S3_OTHER"));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectStoreContract);
INSTANTIATE_TEST_SUITE_P(S3, ObjectStoreContract, ::testing::ValuesIn(s3_stores()));

}  // namespace sv::testing
