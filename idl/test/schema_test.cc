#include <gtest/gtest.h>

#include <set>

#include "idl/services.h"

namespace sv {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST(Schema, SaysTheBoundsOfTheIdl) {
  std::string_view json = SchemaOf<user::RegisterReq>::json;
  EXPECT_EQ(SchemaOf<user::RegisterReq>::name, "RegisterReq");
  EXPECT_TRUE(has(json, R"("username":{"type":"string","minLength":1,"maxLength":32})")) << json;
  EXPECT_TRUE(has(json, R"("required":["username","password"])")) << json;
}

TEST(Schema, EntitiesRequireWhatIsAlwaysPrintedAndReferToEachOther) {
  std::string_view json = SchemaOf<Video>::json;
  EXPECT_TRUE(has(json, R"("author":{"$ref":"#/components/schemas/UserBrief"})")) << json;
  EXPECT_TRUE(has(
      json, R"("id":{"type":"integer","format":"int64","minimum":0,"maximum":9007199254740991})"))
      << json;
  EXPECT_TRUE(has(json, R"("createTime"])")) << json;
}

TEST(Schema, QueryInputsAreListedWithoutHiddenFields) {
  std::set<std::string_view> names;
  for (const ParamSchema& p : SchemaOf<video::FeedReq>::params) {
    names.insert(p.name);
    if (p.name == "page_size") EXPECT_TRUE(has(p.schema, R"("default":10)")) << p.schema;
  }
  EXPECT_TRUE(names.contains("page_size"));
  EXPECT_TRUE(names.contains("latest_time"));
  EXPECT_FALSE(names.contains("user_id"));
}

TEST(Schema, AllOfThemHaveDifferentNamesAndReferToOnesThatExist) {
  std::set<std::string_view> names;
  for (const NamedSchema& s : all_schemas()) EXPECT_TRUE(names.insert(s.name).second) << s.name;
  EXPECT_GT(names.size(), 150u);
  constexpr std::string_view kRef = "#/components/schemas/";
  for (const NamedSchema& s : all_schemas()) {
    for (std::size_t at = s.json.find(kRef); at != s.json.npos; at = s.json.find(kRef, at + 1)) {
      std::string_view name = s.json.substr(at + kRef.size());
      EXPECT_TRUE(names.contains(name.substr(0, name.find('"')))) << s.name;
    }
  }
}

}  // namespace
}  // namespace sv
