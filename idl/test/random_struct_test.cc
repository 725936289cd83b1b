#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <new>

#include "idl/test/any_struct.h"

// Counts what is allocated, so that tests can bound it. tsan brings an operator new that cannot be
// replaced; the other builds do the bounding.
namespace {
thread_local std::size_t allocated = 0;
}
#if !__has_feature(thread_sanitizer)
void* operator new(std::size_t n) {
  allocated += n;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace sv {
namespace {

class Generated : public testing::Test {
 protected:
  Generated() : random(seed()) {}
  static std::uint64_t seed() {
    const char* given = std::getenv("SV_TEST_SEED");
    std::uint64_t s = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "SV_TEST_SEED=" << s << "\n";
    return s;
  }
  test::Random random;
};

// `wire` with an end cut off, a bit flipped, or a length that is a lie.
std::string damaged(std::string wire, test::Random& random) {
  switch (random.next() % 3) {
    case 0:
      wire.resize(random.next() % (wire.size() + 1));
      break;
    case 1:
      wire[random.next() % wire.size()] ^= static_cast<char>(1u << (random.next() % 8));
      break;
    default:
      for (std::size_t at = random.next() % wire.size(), k = 0; k < 4 && at + k < wire.size(); ++k)
        wire[at + k] = static_cast<char>(k == 0 ? 0x7f : random.next());
  }
  return wire;
}

TEST_F(Generated, EveryStructSurvivesDamagedThriftWithoutMuchMemory) {
  for (const auto& type : test::wire_structs())
    for (int i = 0; i < 300; ++i) {
      SCOPED_TRACE(type.name);
      std::string wire;
      type.random(random)->write_thrift(wire);
      const std::string s = damaged(wire, random);
      const std::size_t before = allocated;
      {
        rpc::Reader in(s);
        type.make()->read_thrift(in);
      }
      // The budget, and as much again for strings and for what a growing container copies.
      ASSERT_LE(allocated - before, 2 * (16 * s.size() + (std::size_t{1} << 20)));
    }
}

TEST_F(Generated, EveryStructComesBackFromThriftAndItsTruncationsAreErrors) {
  for (const auto& type : test::wire_structs())
    for (int i = 0; i < 5; ++i) {
      SCOPED_TRACE(type.name);
      const auto before = type.random(random), after = type.make();
      std::string wire;
      before->write_thrift(wire);
      rpc::Reader in(wire);
      after->read_thrift(in);
      EXPECT_TRUE(in.ok() && in.left() == 0 && before->equals(*after));
      for (std::size_t n = 0; n < wire.size(); n += 1 + wire.size() / 20) {
        rpc::Reader part(std::string_view(wire).substr(0, n));
        after->read_thrift(part);
        EXPECT_FALSE(part.ok()) << n;
      }
    }
}

// What is written as JSON is read back: either the same JSON again, or a refusal that names a field
// because a random value is out of bounds.
void json_round_trip(const test::StructCase& type, test::Random& random) {
  SCOPED_TRACE(type.name);
  std::string first, second;
  type.random(random)->write_json(first);
  const auto back = type.make(), again = type.make();
  if (auto read = back->read_json(first)) {
    back->write_json(second);
    ASSERT_TRUE(again->read_json(second));
    EXPECT_TRUE(again->equals(*back));
  } else {
    EXPECT_EQ(read.error().code, Errc::invalid_argument);
    EXPECT_FALSE(read.error().field.empty()) << first;
  }
  for (int i = 0; i < 10; ++i) {
    std::string s = first;
    s[random.next() % s.size()] = static_cast<char>(random.next());
    (void)back->read_json(s);
    s.resize(random.next() % (s.size() + 1));
    (void)back->read_json(s);
  }
}

TEST_F(Generated, EveryStructIsValidJsonAndSurvivesDamage) {
  for (const auto& type : test::all_structs())
    for (int i = 0; i < 5; ++i) json_round_trip(type, random);
}

}  // namespace
}  // namespace sv
