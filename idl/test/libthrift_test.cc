// Our bytes are libthrift's bytes: code of the Apache compiler reads what we write and writes it
// the same again.
#include <gtest/gtest.h>

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include <cstdlib>
#include <iostream>

#include "idl/test/any_struct.h"
#include "idl/test/reference.h"
#include "idl/video.h"
#include "idl/wire_structs.h"
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

// What the Apache compiler's struct writes: by default, and after it read `wire`.
struct Reference {
  std::string defaults;
  std::string (*again)(const std::string& wire);
};

template <class T>
Reference reference_of() {
  return {.defaults = reference_write(T()), .again = [](const std::string& wire) {
            return reference_write(reference_read<T>(wire));
          }};
}

// In the order of test::wire_structs().
std::vector<Reference> references() {
  return {
#define X(name) reference_of<ref::name>(),
      SV_EVERY_WIRE_STRUCT(X)
#undef X
  };
}

TEST(Libthrift, WritesTheSameBytesForEveryStruct) {
  test::Random random = random_from_seed();
  const auto theirs = references();
  const auto ours = test::wire_structs();
  ASSERT_EQ(theirs.size(), ours.size());
  for (std::size_t k = 0; k < ours.size(); ++k)
    for (int i = 0; i < 20; ++i) {
      SCOPED_TRACE(ours[k].name);
      const auto before = ours[k].random(random), after = ours[k].make();
      std::string wire;
      before->write_thrift(wire);
      const std::string again = theirs[k].again(wire);
      ASSERT_EQ(wire, again);
      rpc::Reader in(again);
      after->read_thrift(in);
      ASSERT_TRUE(in.ok());
      ASSERT_TRUE(before->equals(*after));
    }
}

TEST(Libthrift, DefaultValuesAreTheSameBytes) {
  const auto theirs = references();
  for (std::size_t k = 0; k < theirs.size(); ++k) {
    std::string wire;
    test::wire_structs()[k].make()->write_thrift(wire);
    EXPECT_EQ(wire, theirs[k].defaults) << test::wire_structs()[k].name;
  }
}

TEST(OriginalIdl, ReadsFramesWithTheFieldsThatWeAdded) {
  const auto feeds = std::ranges::find(test::wire_structs(), std::string_view("FeedResp"),
                                       &test::StructCase::name);
  test::Random random = random_from_seed();
  for (int i = 0; i < 50; ++i) {
    std::string wire;
    feeds->random(random)->write_thrift(wire);
    rpc::Reader in(wire);
    video::FeedResp feed;
    read_struct(in, feed);
    wire.clear();
    write_struct(wire, feed,
                 BaseResp{.status_code = 404,
                          .msg = "m",
                          .error = "e",
                          .field = "f",
                          .retry_after_ms = 9,
                          .uncertain = {}});
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
  EXPECT_EQ(base, (BaseResp{.status_code = -1,
                            .msg = "失败",
                            .error = {},
                            .field = {},
                            .retry_after_ms = {},
                            .uncertain = {}}));
  ASSERT_EQ(feed.videos.size(), 1u);
  Video want;
  want.id = VideoId(7);
  want.title = "t";
  EXPECT_EQ(feed.videos[0], want);
  EXPECT_FALSE(feed.videos[0].view_count.has_value());
}

}  // namespace
}  // namespace sv
