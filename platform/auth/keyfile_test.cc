#include "platform/auth/keyfile.h"

#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "platform/testing/temp_dir.h"

namespace sv::auth {
namespace {

TEST(Keyfile, IsMadeOnceAndReadAgain) {
  const testing::TempDir folder;
  const auto file = folder.path() / "keys";
  const auto first = load_or_create_keys(file);
  ASSERT_TRUE(first) << first.error().detail;
  ASSERT_EQ(first->size(), 1U);
  EXPECT_GE(first->front().secret.size(), kMinSecretBytes);
  const auto second = load_or_create_keys(file);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->front().secret, second->front().secret);
  struct stat info{};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1)
      << "no part file stays";
}

TEST(Keyfile, ProcessesThatStartAtOnceAgree) {
  const testing::TempDir folder;
  std::mutex mutex;
  std::set<std::string> secrets;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        const auto keys = load_or_create_keys(folder.path() / "keys");
        const std::lock_guard lock(mutex);
        secrets.insert(keys ? keys->front().secret : keys.error().detail);
      });
  }
  EXPECT_EQ(secrets.size(), 1U);
}

TEST(Keyfile, TwoKeysSignWithTheFirst) {
  const testing::TempDir folder;
  const auto file = folder.path() / "keys";
  std::ofstream(file) << "# two\nk2 " << std::string(32, 'b') << "\nk1 " << std::string(32, 'a')
                      << "\n";
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const auto keys = load_or_create_keys(file);
  ASSERT_TRUE(keys) << keys.error().detail;
  EXPECT_EQ(KeyRing(*keys).signer().kid, "k2");
}

TEST(Keyfile, AWrongFileIsNamedAndNeverReplaced) {
  const testing::TempDir folder;
  const auto file = folder.path() / "keys";
  const auto expect_bad = [&](std::string_view text, int mode, std::string_view why) {
    std::ofstream(file, std::ios::trunc) << text;
    std::filesystem::permissions(file, static_cast<std::filesystem::perms>(mode));
    const auto keys = load_or_create_keys(file);
    ASSERT_FALSE(keys);
    EXPECT_NE(keys.error().detail.find(why), std::string::npos) << keys.error().detail;
    EXPECT_NE(keys.error().detail.find(file.string()), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(file), text.size());
  };
  expect_bad("k1 " + std::string(32, 'a') + "\n", 0644, "chmod 600");
  expect_bad("", 0600, "empty");
  expect_bad("k1 short\n", 0600, "shorter");
  expect_bad("nonsense\n", 0600, "kid secret");
  EXPECT_FALSE(load_or_create_keys(folder.path() / "absent" / "keys"));
}

}  // namespace
}  // namespace sv::auth
