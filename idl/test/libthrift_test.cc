// Our bytes are libthrift's bytes: code of the Apache compiler reads what we write and writes it
// the same again.
#include <gtest/gtest.h>

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include <cstdlib>
#include <iostream>

#include "idl/cases.h"
#include "idl/test/reference.h"
#include "platform/rpc/thrift.h"

namespace sv {
namespace {

using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::transport::TMemoryBuffer;

template <class T>
T reference_read(const std::string& wire) {
  auto memory = std::make_shared<TMemoryBuffer>();
  memory->write(reinterpret_cast<const std::uint8_t*>(wire.data()),
                static_cast<std::uint32_t>(wire.size()));
  TBinaryProtocol protocol(memory);
  T v;
  v.read(&protocol);
  return v;
}

template <class T>
std::string reference_write(const T& v) {
  auto memory = std::make_shared<TMemoryBuffer>();
  TBinaryProtocol protocol(memory);
  v.write(&protocol);
  return memory->getBufferAsString();
}

test::Random random_from_seed() {
  const char* given = std::getenv("SV_TEST_SEED");
  std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "SV_TEST_SEED=" << seed << "\n";
  return test::Random(seed);
}

template <class Ours, class Theirs>
void same_bytes(test::Random& random, const char* name) {
  SCOPED_TRACE(name);
  for (int i = 0; i < 20; ++i) {
    Ours before = random.make<Ours>(), after{};
    std::string wire;
    write_struct(wire, before);
    std::string theirs = reference_write(reference_read<Theirs>(wire));
    ASSERT_EQ(wire, theirs);
    rpc::Reader in(theirs);
    read_struct(in, after);
    ASSERT_TRUE(in.ok());
    ASSERT_TRUE(before == after);
  }
}

TEST(Libthrift, WritesTheSameBytesForEveryStruct) {
  test::Random random = random_from_seed();
#define X(type, name) same_bytes<type, ref::name>(random, #type);
  SV_EVERY_WIRE_STRUCT(X)
#undef X
}

TEST(Libthrift, DefaultValuesAreTheSameBytes){
#define X(type, name)                                       \
  {                                                         \
    std::string wire;                                       \
    write_struct(wire, type{});                             \
    EXPECT_EQ(wire, reference_write(ref::name())) << #type; \
  }
    SV_EVERY_WIRE_STRUCT(X)
#undef X
}

TEST(OriginalIdl, ReadsFramesWithTheFieldsThatWeAdded) {
  test::Random random = random_from_seed();
  for (int i = 0; i < 50; ++i) {
    auto feed = random.make<video::FeedResp>();
    std::string wire;
    write_struct(
        wire, feed,
        BaseResp{.status_code = 404, .msg = "m", .error = "e", .field = "f", .retry_after_ms = 9});
    auto old = reference_read<original::video::FeedResp>(wire);
    ASSERT_EQ(old.BaseResp.statusCode, 404);
    ASSERT_EQ(old.BaseResp.msg, "m");
    ASSERT_EQ(old.videos.size(), feed.videos.size());
    ASSERT_EQ(old.nextTime, feed.next_time);
    for (std::size_t k = 0; k < feed.videos.size(); ++k) {
      ASSERT_EQ(old.videos[k].id, feed.videos[k].id.value);
      ASSERT_EQ(old.videos[k].title, feed.videos[k].title);
      ASSERT_EQ(old.videos[k].description, feed.videos[k].description);
      ASSERT_EQ(old.videos[k].isLike, feed.videos[k].is_like);
    }
  }
}

TEST(OriginalIdl, WritesFramesThatLeaveOurFieldsUnset) {
  original::video::FeedResp old;
  old.BaseResp.statusCode = -1;
  old.BaseResp.__set_msg("失败");
  old.videos.resize(1);
  old.videos[0].id = 7;
  old.videos[0].title = "t";
  std::string wire = reference_write(old);
  rpc::Reader in(wire);
  video::FeedResp feed;
  BaseResp base;
  read_struct(in, feed, base);
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(
      base,
      (BaseResp{.status_code = -1, .msg = "失败", .error = {}, .field = {}, .retry_after_ms = {}}));
  ASSERT_EQ(feed.videos.size(), 1u);
  Video want;
  want.id = VideoId(7);
  want.title = "t";
  EXPECT_EQ(feed.videos[0], want);
  EXPECT_FALSE(feed.videos[0].view_count.has_value());
}

}  // namespace
}  // namespace sv
