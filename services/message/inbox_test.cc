#include "services/message/test_world.h"

namespace sv::message {
namespace {

using Texts = std::vector<std::string>;

struct InboxTest : MessageTest {};
SV_BOTH_WAYS(InboxTest);

TEST_P(InboxTest, ConversationsAreNewestFirstWithTheirUnread) {
  for (UserId other : {kBob, kCy, kDan}) befriend(kAnn, other);
  sent(kBob, kAnn, "b1");
  clock.advance(std::chrono::seconds(1));
  sent(kCy, kAnn, "c1");
  clock.advance(std::chrono::seconds(1));
  sent(kAnn, kDan, "d1");
  clock.advance(std::chrono::seconds(1));
  sent(kBob, kAnn, "b2");
  EXPECT_EQ(inbox(kAnn), (Texts{"bob:2:b2", "dan:0:d1", "cy:1:c1"}));
  EXPECT_EQ(inbox(kDan), Texts{"ann:1:d1"});
  const auto counts = unread(kAnn);
  EXPECT_EQ(counts.total_unread, 3);
  ASSERT_EQ(counts.by_user->size(), 2u);
  EXPECT_EQ(counts.by_user->at(0), (UnreadOfUser{.user_id = kBob, .count = 2}));
  EXPECT_EQ(counts.by_user->at(1), (UnreadOfUser{.user_id = kCy, .count = 1}));
  EXPECT_EQ(inbox(kEve), Texts{});
  EXPECT_FALSE(latest(kDan)->messages[0].last_message.is_read);
  ASSERT_TRUE(succeeded(read(kDan, kAnn, 1)));
  EXPECT_TRUE(latest(kAnn)->messages[1].last_message.is_read) << "the sender's list shows it too";
}

TEST_P(InboxTest, PagesOfConversationsJoinAcrossTiesAndBlocks) {
  constexpr int kOthers = 47;
  for (int i = 0; i < kOthers; ++i) {
    const UserId other(100 + i);
    befriend(kAnn, other);
    sent(other, kAnn, "at the same moment");
    if (i % 3 == 0) social.blocks.insert({i % 2 == 0 ? kAnn : other, i % 2 == 0 ? other : kAnn});
  }
  for (int size : {1, 4, 20, 100}) {
    std::set<UserId> seen;
    std::string cursor;
    std::size_t total = 0;
    do {
      const auto page = latest(kAnn, false, size, cursor);
      ASSERT_TRUE(succeeded(page));
      cursor = *page->next_cursor;
      if (!cursor.empty())
        EXPECT_EQ(page->messages.size(), static_cast<std::size_t>(size)) << "short only at the end";
      for (const auto& l : page->messages) seen.insert(l.user.id);
      total += page->messages.size();
    } while (!cursor.empty());
    EXPECT_EQ(total, 31u) << size;
    EXPECT_EQ(seen.size(), total);
  }
  EXPECT_EQ(unread(kAnn).total_unread, 31);
  EXPECT_EQ(token_of(latest(kAnn, false, 20, "nonsense")), "cursor_invalid");
  const auto cursor = *latest(kAnn, false, 1)->next_cursor;
  EXPECT_EQ(token_of(latest(kAnn, true, 20, cursor)), "cursor_invalid") << "of another list";
}

TEST_P(InboxTest, AStrangersFirstMessagesAreARequest) {
  sent(kEve, kAnn, "hi");
  EXPECT_EQ(inbox(kAnn), Texts{});
  EXPECT_EQ(unread(kAnn).total_unread, 0);
  EXPECT_EQ(inbox(kAnn, true), Texts{"eve:1:hi"});
  EXPECT_EQ(inbox(kEve), Texts{"ann:0:hi"}) << "to its sender it is a conversation";
  ASSERT_TRUE(succeeded(accept(kAnn, kEve)));
  ASSERT_TRUE(succeeded(accept(kAnn, kEve))) << "twice is once";
  EXPECT_EQ(inbox(kAnn, true), Texts{});
  EXPECT_EQ(inbox(kAnn), Texts{"eve:1:hi"});
  EXPECT_EQ(unread(kAnn).total_unread, 1);
  sent(kEve, kAnn, "thanks");
  EXPECT_EQ(unread(kAnn).total_unread, 2);
}

TEST_P(InboxTest, AStrangerWritesOnIntoTheRequestAndItRingsNowhere) {
  for (int i = 1; i <= 20; ++i) EXPECT_EQ(send(kEve, kAnn, std::to_string(i))->seq, i);
  EXPECT_EQ(inbox(kAnn, true), Texts{"eve:20:20"});
  EXPECT_EQ(inbox(kAnn), Texts{});
  EXPECT_EQ(unread(kAnn).total_unread, 0);
  EXPECT_TRUE(notices(kAnn)->notifications.empty());
  social.blocks = {{kAnn, kEve}};
  EXPECT_EQ(token_of(send(kEve, kAnn, "21")), "not_allowed") << "a block ends it";
  EXPECT_EQ(inbox(kAnn, true), Texts{});
}

TEST_P(InboxTest, AStricterPlaceTakesFewMessagesBeforeARequestIsAccepted) {
  for (const int limit : {1, 3}) {
    const UserId stranger(100 + limit);
    options.before_accept = limit;
    start();
    for (int i = 1; i <= limit; ++i) sent(stranger, kAnn, std::to_string(i));
    const auto beyond = send(stranger, kAnn, "!!!");
    EXPECT_EQ(token_of(beyond), "request_pending");
    EXPECT_EQ(beyond.error().code, Errc::forbidden);
    ASSERT_TRUE(succeeded(accept(kAnn, stranger)));
    EXPECT_EQ(send(stranger, kAnn, "thanks")->seq, limit + 1) << "the refused one took no number";
  }
}

TEST_P(InboxTest, AnAnswerAcceptsARequest) {
  sent(kEve, kAnn, "hi");
  sent(kAnn, kEve, "hello");
  EXPECT_EQ(inbox(kAnn, true), Texts{});
  EXPECT_EQ(inbox(kAnn), Texts{"eve:1:hello"});
  EXPECT_EQ(inbox(kEve), Texts{"ann:1:hello"}) << "an answer is no request";
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(succeeded(send(kEve, kAnn, "more")));
  EXPECT_EQ(unread(kAnn).total_unread, 6);
}

TEST_P(InboxTest, WhoFollowsAStrangerHasAccepted) {
  sent(kEve, kAnn, "hi");
  social.follows.insert({kAnn, kEve});
  follows(kAnn, kEve);
  EXPECT_EQ(inbox(kAnn), Texts{"eve:1:hi"});
  EXPECT_EQ(inbox(kAnn, true), Texts{});

  sent(kDan, kAnn, "hi");
  social.follows.insert({kAnn, kDan});
  sent(kDan, kAnn, "again");  // before the event has come
  EXPECT_EQ(inbox(kAnn, true), Texts{});
  EXPECT_EQ(unread(kAnn).total_unread, 3);
}

TEST_P(InboxTest, OnlyRequestsAreAccepted) {
  EXPECT_EQ(token_of(accept(kAnn, kEve)), "message_request_not_found");
  sent(kEve, kAnn, "hi");
  EXPECT_EQ(token_of(accept(kBob, kEve)), "message_request_not_found");
  social.blocks.insert({kAnn, kEve});
  EXPECT_EQ(token_of(accept(kAnn, kEve)), "message_request_not_found");
  EXPECT_EQ(inbox(kAnn, true), Texts{});
}

TEST_P(InboxTest, ABlockHidesAndUnblockingBringsBack) {
  befriend(kAnn, kBob);
  sent(kBob, kAnn, "hi");
  for (auto block : {std::pair(kAnn, kBob), std::pair(kBob, kAnn)}) {
    social.blocks = {block};
    EXPECT_EQ(inbox(kAnn), Texts{});
    EXPECT_EQ(unread(kAnn).total_unread, 0);
    EXPECT_TRUE(unread(kAnn).by_user->empty());
    social.blocks.clear();
    EXPECT_EQ(inbox(kAnn), Texts{"bob:1:hi"});
    EXPECT_EQ(unread(kAnn).total_unread, 1);
  }
  social.mutes = {{kAnn, kBob}};
  EXPECT_EQ(inbox(kAnn), Texts{"bob:1:hi"}) << "muting is not blocking";
}

TEST_P(InboxTest, ADeletedUserLeavesTheOtherSideItsMessages) {
  befriend(kAnn, kBob);
  sent(kBob, kAnn, "bye");
  sent(kAnn, kBob, "stay");
  users.gone.insert(kBob);
  happen(event("user.deleted", kBob, R"({"id":2})"));
  EXPECT_EQ(inbox(kAnn), Texts{":1:stay"}) << "a user without a name";
  EXPECT_EQ(latest(kAnn)->messages[0].user.id, kBob);
  EXPECT_EQ(texts(kAnn, kBob), (Texts{"stay", "bye"}));
  EXPECT_EQ(inbox(kBob), Texts{});
  EXPECT_EQ(latest(kAnn)->messages[0].user.avatar, "");
  EXPECT_EQ(token_of(send(kAnn, kBob, "x")), "user_not_found");
  // What was under way when the account went comes too late: the user service still knew both when
  // it was asked.
  users.gone.clear();
  EXPECT_EQ(token_of(send(kBob, kAnn, "late")), "invalid_token");
  EXPECT_EQ(token_of(send(kAnn, kBob, "late")), "user_not_found");
  EXPECT_EQ(
      token_of(run_task(api().set_notification_settings({}, {.user_id = kBob, .like = false}))),
      "invalid_token");
  EXPECT_EQ(rows("message_settings"), 0);
  users.gone.insert(kBob);
  ASSERT_TRUE(succeeded(read(kAnn, kBob, 2)));
  EXPECT_EQ(unread(kAnn).total_unread, 0);
  happen(event("user.deleted", kAnn, R"({"id":1})"));
  for (const char* table : {"message_messages", "message_conversations", "message_sides"})
    EXPECT_EQ(rows(table), 0) << table;
}

TEST_P(InboxTest, ARequestOfADeletedUserCanNotBeAccepted) {
  sent(kBob, kAnn, "hello?");
  ASSERT_EQ(inbox(kAnn, true), Texts{"bob:1:hello?"});
  users.gone.insert(kBob);
  happen(event("user.deleted", kBob, R"({"id":2})"));
  EXPECT_EQ(inbox(kAnn, true), Texts{});
  EXPECT_EQ(token_of(accept(kAnn, kBob)), "message_request_not_found");
}

TEST_P(InboxTest, ManyConversationsOfADeletedUserAllGo) {
  for (int i = 0; i < 250; ++i) {
    befriend(kAnn, UserId(100 + i));
    sent(kAnn, UserId(100 + i), "x");
  }
  happen(event("user.deleted", kAnn, R"({"id":1})"));
  EXPECT_EQ(rows("message_sides WHERE user_id = 1"), 0);
  EXPECT_EQ(rows("message_messages"), 250);
}

TEST_P(InboxTest, FsckSeesEveryCounterThatIsNotWhatItCounts) {
  sent(kAnn, kBob, "one");
  const MessageId two = sent(kAnn, kBob, "two");
  const auto counters = [this] {
    std::vector<std::string> out;
    const auto found = run_task(find_drift(*db));
    for (const Drift& d : found.value())
      out.push_back(fmt::format("{}: {} {}", d.counter, d.stored, d.counted));
    return out;
  };
  const auto change = [this](const std::string& sql) {
    EXPECT_TRUE(succeeded(run_task(db->write({}, [&](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(sql));
      return {};
    }))));
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(counters(), Lines{});
  change("UPDATE message_sides SET unread = unread + 1 WHERE user_id = 2");
  EXPECT_EQ(counters(), (Lines{"unread of user 2 with 1: 3 2"}));
  change("UPDATE message_sides SET unread = unread - 1, last_id = 7 WHERE user_id = 2");
  EXPECT_EQ(counters(), (Lines{fmt::format("last message of user 2 with 1: 7 {}", two)}));
  change(fmt::format("UPDATE message_sides SET last_id = {} WHERE user_id = 2", two));
  change("UPDATE message_messages SET seq = 3 WHERE seq = 2");
  EXPECT_EQ(counters(), (Lines{"messages of conversation 1 with 2: 2 1"}));
  change("UPDATE message_messages SET seq = 2 WHERE seq = 3");
}

}  // namespace
}  // namespace sv::message
