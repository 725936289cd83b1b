#include <set>

#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using Ids = std::vector<std::int64_t>;

Ids find(SearchIndex& index, std::string query, std::int64_t offset = 0, std::int64_t limit = 50) {
  auto hits = run_task(index.search(std::move(query), offset, limit));
  return hits ? hits->ids : Ids{-1};
}

Result<> add(SearchIndex& index, std::int64_t id, std::int64_t revision, std::string title,
             std::string body = {}, double boost = 1) {
  std::vector<SearchDocument> documents{{id, revision, std::move(title), std::move(body), boost}};
  return run_task(index.upsert(std::move(documents)));
}

}  // namespace

TEST_P(SearchIndexContract, AnyTwoCharactersOfATitleFindIt) {
  const std::u32string title = U"短视频后端的第一个标题";
  ASSERT_OK(add(*index, 7, 1, "短视频后端的第一个标题"));
  ASSERT_OK(add(*index, 8, 1, "完全无关"));
  auto utf8 = [](std::u32string_view text) {
    std::string out;
    for (char32_t c : text)
      out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
              static_cast<char>(0x80 | (c & 0x3f))};
    return out;
  };
  for (std::size_t from = 0; from < title.size(); ++from)
    for (std::size_t size = 1; from + size <= title.size(); ++size)
      EXPECT_EQ(find(*index, utf8(title.substr(from, size))), Ids{7}) << from << "+" << size;
  EXPECT_EQ(find(*index, "视短"), Ids{});
}

TEST_P(SearchIndexContract, CaseAndWidthDoNotMatter) {
  ASSERT_OK(add(*index, 1, 1, "Ｈｅｌｌｏ World ﬁlm 2024"));
  for (const char* query : {"hello", "HELLO", "ell", "worl", "FILM", "２０２４", "hello film"})
    EXPECT_EQ(find(*index, query), Ids{1}) << query;
  EXPECT_EQ(find(*index, "hello moon"), Ids{});
  EXPECT_EQ(find(*index, "loworld"), Ids{});
}

TEST_P(SearchIndexContract, AQueryIsTextAndNeverSyntax) {
  ASSERT_OK(add(*index, 1, 1, "cats AND dogs"));
  for (const char* query : {"\"", "cats\" OR \"x", "title:cats", "NEAR(cats dogs)", "cats*",
                            "-cats", "(", "^cats", "{title}", "' ; DROP TABLE x"})
    EXPECT_NE(find(*index, query), Ids{-1}) << query;
  EXPECT_EQ(find(*index, "and dogs"), Ids{1});
  EXPECT_EQ(find(*index, "cats OR zebras"), Ids{});
  EXPECT_EQ(find(*index, ""), Ids{});
  EXPECT_EQ(find(*index, " ,。! "), Ids{});
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "ca ";
  EXPECT_NE(find(*index, many), Ids{-1});
}

TEST_P(SearchIndexContract, AnOlderRevisionNeverOverwritesANewerOne) {
  ASSERT_OK(add(*index, 1, 5, "newer"));
  ASSERT_OK(add(*index, 1, 4, "older"));
  EXPECT_EQ(find(*index, "older"), Ids{});
  EXPECT_EQ(find(*index, "newer"), Ids{1});
  ASSERT_OK(run_task(index->remove({1}, 4)));
  EXPECT_EQ(find(*index, "newer"), Ids{1});
  ASSERT_OK(run_task(index->remove({1}, 6)));
  EXPECT_EQ(find(*index, "newer"), Ids{});
  ASSERT_OK(add(*index, 1, 5, "late"));
  EXPECT_EQ(find(*index, "late"), Ids{});
  ASSERT_OK(add(*index, 1, 7, "back"));
  EXPECT_EQ(find(*index, "back"), Ids{1});
}

TEST_P(SearchIndexContract, WhatHoldsTheQueryAsTypedComesFirst) {
  const auto titles = [&](std::vector<std::string> all) {
    for (std::size_t i = 0; i < all.size(); ++i)  // the first is the most popular one
      ASSERT_OK(add(*index, static_cast<std::int64_t>(i), 1, all[i], "",
                    100.0 / (1.0 + 10.0 * static_cast<double>(i))));
  };
  titles({"100 days", "1000 nights, 100 suns", "only 100% cotton", "a big boat", "ab",
          "my a_b is here", "red and a car", "a fast red car", "c tutorial", "the C++ tutorial"});
  EXPECT_EQ(find(*index, "100%"), (Ids{2, 0, 1}));
  EXPECT_EQ(find(*index, "a_b").front(), 5);
  EXPECT_EQ(find(*index, "A_B").front(), 5) << "folded as everything";
  EXPECT_EQ(find(*index, "Red Car"), (Ids{7, 6}));
  EXPECT_EQ(find(*index, "c++").front(), 9);
  EXPECT_EQ(find(*index, "100%", 1, 2), (Ids{0, 1})) << "pages go on in the same order";
  ASSERT_OK(add(*index, 20, 1, "else", "with a_b in the text", 0.001));
  const Ids found = find(*index, "a_b");
  EXPECT_EQ(Ids(found.begin(), found.begin() + 2), (Ids{5, 20}));
}

TEST_P(SearchIndexContract, SignsOfPatternsAreLetters) {
  ASSERT_OK(add(*index, 1, 1, "50% off"));
  ASSERT_OK(add(*index, 2, 1, "snake_case"));
  ASSERT_OK(add(*index, 3, 1, "five * stars"));
  ASSERT_OK(add(*index, 4, 1, "nothing of it"));
  EXPECT_EQ(find(*index, "%"), Ids{1});
  EXPECT_EQ(find(*index, "_"), Ids{2});
  EXPECT_EQ(find(*index, "*"), Ids{3});
  EXPECT_EQ(find(*index, "0%"), Ids{1});
  EXPECT_EQ(find(*index, "50"), Ids{1});
  EXPECT_EQ(find(*index, "e_c"), Ids{2});
  EXPECT_EQ(find(*index, "snake case"), Ids{2});
  EXPECT_EQ(find(*index, "%%"), Ids{});
  ASSERT_OK(run_task(index->remove({1}, 2)));
  EXPECT_EQ(find(*index, "%"), Ids{});
}

TEST_P(SearchIndexContract, TitlesWeighMoreAndBoostRaises) {
  ASSERT_OK(add(*index, 1, 1, "something else entirely", "guitar lesson"));
  ASSERT_OK(add(*index, 2, 1, "guitar lesson", "something else entirely"));
  for (int i = 10; i < 20; ++i) ASSERT_OK(add(*index, i, 1, "filler number", "nothing"));
  EXPECT_EQ(find(*index, "guitar"), (Ids{2, 1}));
  ASSERT_OK(add(*index, 1, 2, "something else entirely", "guitar lesson", 100));
  EXPECT_EQ(find(*index, "guitar"), (Ids{1, 2}));
}

TEST_P(SearchIndexContract, PagesDoNotOverlapAndTheTotalIsOfAll) {
  for (int i = 1; i <= 25; ++i) ASSERT_OK(add(*index, i, 1, "same title"));
  std::set<std::int64_t> seen;
  for (int page = 0; page < 3; ++page)
    for (std::int64_t id : find(*index, "same", page * 10, 10))
      EXPECT_TRUE(seen.insert(id).second) << id;
  EXPECT_EQ(seen.size(), 25u);
  auto hits = run_task(index->search("same", 20, 10));
  ASSERT_OK(hits);
  EXPECT_EQ(hits->total, 25);
  EXPECT_EQ(hits->ids.size(), 5u);
}

TEST_P(SearchIndexContract, ANewIndexIsNotFilledUntilItsOwnerSaysSo) {
  ASSERT_OK(add(*index, 1, 1, "one"));
  auto filled = run_task(index->filled());
  ASSERT_OK(filled);
  EXPECT_FALSE(*filled);
  for (int twice = 0; twice < 2; ++twice) ASSERT_OK(run_task(index->set_filled()));
  filled = run_task(index->filled());
  ASSERT_OK(filled);
  EXPECT_TRUE(*filled);
}

}  // namespace sv::testing
