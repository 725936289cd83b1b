#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

Result<> write(ObjectWriter& writer, std::string_view text) {
  return run_task(writer.write(std::as_bytes(std::span(text))));
}

Result<> put(ObjectStore& store, std::string key, std::string_view text) {
  SV_TRY(auto writer, run_task(store.put(std::move(key))));
  SV_CHECK(write(*writer, text));
  return run_task(writer->commit());
}

std::string get(ObjectStore& store, std::string key, std::uint64_t offset = 0,
                std::size_t size = 1 << 24) {
  auto reader = run_task(store.open(std::move(key)));
  if (!reader) return "<" + reader.error().token + ">";
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    auto n = run_task(
        (*reader)->read(offset + have, std::as_writable_bytes(std::span(out)).subspan(have)));
    if (!n) return "<" + n.error().token + ">";
    if (*n == 0) break;
    have += *n;
  }
  out.resize(have);
  return out;
}

}  // namespace

TEST_P(ObjectStoreContract, WhatWasPutIsReadBackWholeOrInPart) {
  std::string big(3 << 20, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 >> 8);
  ASSERT_OK(put(*store, "videos/1/a/source.mp4", big));
  EXPECT_TRUE(get(*store, "videos/1/a/source.mp4") == big);
  EXPECT_EQ(get(*store, "videos/1/a/source.mp4", 2'000'001, 100), big.substr(2'000'001, 100));
  EXPECT_EQ(get(*store, "videos/1/a/source.mp4", big.size(), 10), "");
  auto info = run_task(store->head("videos/1/a/source.mp4"));
  ASSERT_OK(info);
  EXPECT_EQ(info->size, big.size());
  EXPECT_GT(info->modified_ms, 1'700'000'000'000);
}

TEST_P(ObjectStoreContract, NothingIsVisibleBeforeTheCommitOrAfterADroppedWriter) {
  {
    auto writer = run_task(store->put("a/b"));
    ASSERT_OK(writer);
    ASSERT_OK(write(**writer, "text"));
    EXPECT_EQ((*writer)->offset(), 4u);
    EXPECT_EQ(run_task(store->head("a/b")).error().code, Errc::not_found);
  }
  EXPECT_EQ(get(*store, "a/b"), "<not_found>");
  EXPECT_TRUE(run_task(store->list(""))->empty());
}

TEST_P(ObjectStoreContract, ASecondPutReplacesTheObjectAtOnce) {
  ASSERT_OK(put(*store, "k", "old"));
  auto reader = run_task(store->open("k"));
  ASSERT_OK(reader);
  ASSERT_OK(put(*store, "k", "newer"));
  EXPECT_EQ(get(*store, "k"), "newer");
  EXPECT_EQ((*reader)->size(), 3u);
}

TEST_P(ObjectStoreContract, AnEmptyObjectIsAnObject) {
  ASSERT_OK(put(*store, "empty", ""));
  EXPECT_EQ(get(*store, "empty"), "");
  EXPECT_EQ(run_task(store->head("empty"))->size, 0u);
}

TEST_P(ObjectStoreContract, AnAppendGoesOnWhereItsLastFlushEnded) {
  {
    auto writer = run_task(store->append("up/1"));
    ASSERT_OK(writer);
    EXPECT_EQ((*writer)->offset(), 0u);
    ASSERT_OK(write(**writer, "first "));
    ASSERT_OK(run_task((*writer)->flush()));
  }
  store = GetParam()(folder / "objects");  // as after a restart
  EXPECT_EQ(get(*store, "up/1"), "<not_found>");
  auto writer = run_task(store->append("up/1"));
  ASSERT_OK(writer);
  ASSERT_EQ((*writer)->offset(), 6u);
  ASSERT_OK(write(**writer, "second"));
  ASSERT_OK(run_task((*writer)->commit()));
  EXPECT_EQ(get(*store, "up/1"), "first second");
  EXPECT_EQ((*run_task(store->append("up/1")))->offset(), 0u);
}

TEST_P(ObjectStoreContract, ADiscardedAppendBeginsAnew) {
  {
    auto writer = run_task(store->append("up/2"));
    ASSERT_OK(write(**writer, "gone"));
    ASSERT_OK(run_task((*writer)->flush()));
  }
  ASSERT_OK(run_task(store->discard_append("up/2")));
  ASSERT_OK(run_task(store->discard_append("up/2")));
  EXPECT_EQ((*run_task(store->append("up/2")))->offset(), 0u);
}

TEST_P(ObjectStoreContract, RemovingIsDoneOnceAndTwiceAlike) {
  ASSERT_OK(put(*store, "a/b/c", "x"));
  ASSERT_OK(run_task(store->remove("a/b/c")));
  ASSERT_OK(run_task(store->remove("a/b/c")));
  ASSERT_OK(run_task(store->remove("never/was")));
  EXPECT_EQ(get(*store, "a/b/c"), "<not_found>");
  ASSERT_OK(put(*store, "a/b/c", "again"));
  EXPECT_EQ(get(*store, "a/b/c"), "again");
}

TEST_P(ObjectStoreContract, ManyMayRemoveFromAndPutIntoOneFolderAtOnce) {
  const auto work = [this](int n) {
    for (int i = 0; i < 50; ++i) {
      const std::string key = fmt::format("deep/er/{}", n);
      EXPECT_OK(put(*store, key, "x"));
      EXPECT_OK(run_task(store->remove(key)));
    }
  };
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) threads.emplace_back(work, n);
  for (auto& t : threads) t.join();
  EXPECT_TRUE(run_task(store->list("deep/"))->empty());
}

TEST_P(ObjectStoreContract, AListHasThePrefixAndNothingUnfinished) {
  for (const char* key : {"v/1/a", "v/1/b", "v/10/a", "w/1"}) ASSERT_OK(put(*store, key, "12"));
  auto open_part = run_task(store->append("v/1/part"));
  ASSERT_OK(open_part);
  auto keys = [&](std::string prefix) {
    std::string out;
    auto listed = run_task(store->list(std::move(prefix)));
    if (!listed) return listed.error().detail;
    for (auto& info : *listed) out += info.key + ":" + std::to_string(info.size) + " ";
    return out;
  };
  EXPECT_EQ(keys("v/1/"), "v/1/a:2 v/1/b:2 ");
  EXPECT_EQ(keys("v/1"), "v/1/a:2 v/1/b:2 v/10/a:2 ");
  EXPECT_EQ(keys(""), "v/1/a:2 v/1/b:2 v/10/a:2 w/1:2 ");
  EXPECT_EQ(keys("none/"), "");
}

TEST_P(ObjectStoreContract, AKeyThatCouldLeaveTheStoreIsRefused) {
  for (const std::string& key :
       {std::string("../x"), std::string("/etc/passwd"), std::string("a//b"), std::string("a/../b"),
        std::string("a/"), std::string(), std::string("A"), std::string("a\0b", 3),
        std::string(".tmp/0"), std::string(513, 'a')}) {
    EXPECT_EQ(run_task(store->put(key)).error().code, Errc::internal) << key;
    EXPECT_EQ(run_task(store->append(key)).error().code, Errc::internal) << key;
    EXPECT_EQ(run_task(store->open(key)).error().code, Errc::internal) << key;
    EXPECT_EQ(run_task(store->head(key)).error().code, Errc::internal) << key;
    EXPECT_EQ(run_task(store->remove(key)).error().code, Errc::internal) << key;
  }
}

TEST_P(ObjectStoreContract, FilesComeInAndGoOut) {
  std::ofstream(folder / "made.mp4") << "frames";
  ASSERT_OK(run_task(store->import_file(folder / "made.mp4", "videos/1/720.mp4")));
  EXPECT_FALSE(std::filesystem::exists(folder / "made.mp4"));
  EXPECT_EQ(get(*store, "videos/1/720.mp4"), "frames");
  auto local = run_task(store->local_copy("videos/1/720.mp4", folder / "scratch"));
  ASSERT_OK(local);
  std::string text;
  std::ifstream(*local) >> text;
  EXPECT_EQ(text, "frames");
  EXPECT_EQ(run_task(store->local_copy("none", folder / "scratch")).error().code, Errc::not_found);
  EXPECT_EQ(run_task(store->import_file(folder / "absent", "x")).error().code, Errc::not_found);
}

}  // namespace sv::testing
