#include "platform/rpc/thrift.h"

#include <gtest/gtest.h>

#include "platform/rpc/message.h"

namespace sv::rpc {

struct Tree {
  std::vector<Tree> children;
  std::int64_t leaf = 0;
};
void write_struct(std::string& out, const Tree& v) {
  write_field(out, 1, v.children);
  write_field(out, 2, v.leaf);
  write_stop(out);
}
void read_struct(Reader& in, Tree& v) {
  Reader::Nested nested(in);
  for (std::uint32_t key = 0; in.next(key);) {
    switch (key) {
      case field_key(1, kList):
        in.get(v.children);
        break;
      case field_key(2, kI64):
        in.get(v.leaf);
        break;
      default:
        in.skip(key);
    }
  }
}

namespace {

bool reads(std::string_view s) {
  Reader in(s);
  Tree t;
  read_struct(in, t);
  return in.ok();
}

Tree chain(int depth) {
  Tree t;
  if (depth > 1) t.children.push_back(chain(depth - 1));
  return t;
}

TEST(Thrift, StructsMayNest64DeepAndNoDeeper) {
  std::string at, beyond;
  write_struct(at, chain(kMaxDepth));
  write_struct(beyond, chain(kMaxDepth + 1));
  EXPECT_TRUE(reads(at));
  EXPECT_FALSE(reads(beyond));
}

TEST(Thrift, UnknownValuesMayNotNestDeeperEither) {
  auto lists = [](int depth) {
    std::string s("\x0f\x00\x63", 3);
    for (int i = 0; i < depth; ++i) s += std::string("\x0f\0\0\0\1", 5);
    return s + std::string("\x0f\0\0\0\0\0", 6);
  };
  EXPECT_TRUE(reads(lists(60)));
  EXPECT_FALSE(reads(lists(70)));
  EXPECT_FALSE(reads(lists(100'000)));
}

TEST(Thrift, KnownFieldsOfAnotherTypeAreSkipped) {
  std::string s;
  write_field(s, 2, std::string("text"));              // an i64 in the IDL
  write_field(s, 1, std::vector<std::int32_t>{1, 2});  // a list of structs in the IDL
  write_field(s, 7, FlatMap<std::string, std::vector<bool>>{{"k", {true}}});
  write_field(s, 2, std::int64_t{5});
  write_stop(s);
  Reader in(s);
  Tree t;
  read_struct(in, t);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.left(), 0u);
  EXPECT_TRUE(t.children.empty());
  EXPECT_EQ(t.leaf, 5);
}

TEST(Thrift, NegativeAndImpossibleSizesAreErrors) {
  for (std::string_view size :
       {std::string_view("\xff\xff\xff\xff", 4), std::string_view("\x7f\xff\xff\xff", 4),
        std::string_view("\0\0\0\x05", 4)}) {
    EXPECT_FALSE(reads(std::string("\x0f\0\1\x0c", 4) + std::string(size)));
    EXPECT_FALSE(reads(std::string("\x0b\0\x09", 3) + std::string(size)));
    EXPECT_FALSE(reads(std::string("\x0d\0\x09\x0b\x0a", 5) + std::string(size)));
  }
}

TEST(Thrift, ManyTinyStructsCannotGrowIntoMuchMemory) {
  std::string s("\x0f\0\1\x0c", 4);
  constexpr std::uint32_t kMany = 10'000'000;
  put_big_endian(s, kMany);
  s.append(kMany + 1, '\0');
  EXPECT_FALSE(reads(s));  // 10 MB on the wire, 320 MB as structs
}

TEST(Thrift, MissingInputIsToldFromBrokenInput) {
  std::string whole;
  write_struct(whole, chain(3));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    Reader in(std::string_view(whole).substr(0, n));
    Tree t;
    read_struct(in, t);
    EXPECT_FALSE(in.ok());
    EXPECT_TRUE(in.truncated());
  }
  std::string broken("\x05\0\1", 3);  // no such type
  Reader in(broken);
  Tree t;
  read_struct(in, t);
  EXPECT_FALSE(in.ok());
  EXPECT_FALSE(in.truncated());
}

TEST(Message, RepliesToOtherCallsAreRefused) {
  std::string s;
  write_head(s, {.type = MessageType::reply, .method = "Login", .seqid = 3});
  EXPECT_TRUE(open_reply(s, "Login", 3));
  EXPECT_FALSE(open_reply(s, "Login", 4));
  EXPECT_FALSE(open_reply(s, "Logout", 3));
  EXPECT_FALSE(open_reply("", "Login", 3));
}

TEST(Message, ExceptionsBecomeErrors) {
  MessageHead call{.method = "Login", .seqid = 1};
  auto of = [&](ExceptionType t) {
    return open_reply(exception_message(call, t, "why"), "Login", 1).error();
  };
  EXPECT_EQ(of(ExceptionType::unknown_method).code, Errc::absent);
  EXPECT_EQ(of(ExceptionType::unknown_service).code, Errc::absent);
  EXPECT_EQ(of(ExceptionType::internal).code, Errc::internal);
  EXPECT_EQ(of(ExceptionType::internal).detail, "peer: why");
}

}  // namespace
}  // namespace sv::rpc
