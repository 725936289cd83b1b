#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <new>

#include "idl/cases.h"
#include "platform/rpc/thrift.h"

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

template <class T>
void survive(test::Random& random, const char* name, const std::string& wire) {
  SCOPED_TRACE(name);
  for (int i = 0; i < 60; ++i) {
    std::string s = wire;
    switch (random.next() % 3) {
      case 0:
        s.resize(random.next() % (s.size() + 1));
        break;
      case 1:
        s[random.next() % s.size()] ^= static_cast<char>(1u << (random.next() % 8));
        break;
      default:  // a length that is a lie
        for (std::size_t at = random.next() % s.size(), k = 0; k < 4 && at + k < s.size(); ++k)
          s[at + k] = static_cast<char>(k == 0 ? 0x7f : random.next());
    }
    std::size_t before = allocated;
    {
      rpc::Reader in(s);
      T v{};
      read_struct(in, v);
    }
    // The budget, and as much again for strings and for what a growing container copies.
    ASSERT_LE(allocated - before, 2 * (16 * s.size() + (std::size_t{1} << 20)));
  }
}

TEST_F(Generated, EveryStructSurvivesDamagedThriftWithoutMuchMemory){
#define X(type, name)                        \
  for (int i = 0; i < 5; ++i) {              \
    std::string wire;                        \
    write_struct(wire, random.make<type>()); \
    survive<type>(random, #type, wire);      \
  }
    SV_EVERY_WIRE_STRUCT(X)
#undef X
}

TEST_F(Generated, EveryStructComesBackFromThriftAndItsTruncationsAreErrors) {
#define X(type, name)                                                     \
  for (int i = 0; i < 5; ++i) {                                           \
    type before = random.make<type>(), after{};                           \
    std::string wire;                                                     \
    write_struct(wire, before);                                           \
    rpc::Reader in(wire);                                                 \
    read_struct(in, after);                                               \
    EXPECT_TRUE(in.ok() && in.left() == 0 && before == after) << #type;   \
    for (std::size_t n = 0; n < wire.size(); n += 1 + wire.size() / 20) { \
      rpc::Reader part(std::string_view(wire).substr(0, n));              \
      read_struct(part, after);                                           \
      EXPECT_FALSE(part.ok()) << #type << " " << n;                       \
    }                                                                     \
  }
  SV_EVERY_WIRE_STRUCT(X)
#undef X
}

// What is written as JSON is read back: either the same JSON again, or a refusal that names a field
// because a random value is out of bounds.
template <class T>
void json_round_trip(test::Random& random, const char* name) {
  SCOPED_TRACE(name);
  std::string first, second;
  write_json(first, random.make<T>());
  auto back = read_json<T>(first);
  if (back) {
    write_json(second, *back);
    auto again = read_json<T>(second);
    ASSERT_TRUE(again);
    EXPECT_TRUE(*again == *back);
  } else {
    EXPECT_EQ(back.error().code, Errc::invalid_argument);
    EXPECT_FALSE(back.error().field.empty()) << first;
  }
  for (int i = 0; i < 10; ++i) {
    std::string s = first;
    s[random.next() % s.size()] = static_cast<char>(random.next());
    (void)read_json<T>(s);
    s.resize(random.next() % (s.size() + 1));
    (void)read_json<T>(s);
  }
}

TEST_F(Generated, EveryStructIsValidJsonAndSurvivesDamage) {
#define X(type, name) \
  for (int i = 0; i < 5; ++i) json_round_trip<type>(random, #type);
  SV_EVERY_STRUCT(X)
#undef X
}

}  // namespace
}  // namespace sv
