#include <thread>

#include "services/message/test_world.h"

namespace sv::message {
namespace {

using Texts = std::vector<std::string>;

struct ChatTest : MessageTest {
  void SetUp() override {
    MessageTest::SetUp();
    befriend(kAnn, kBob);
  }
};
SV_BOTH_WAYS(ChatTest);

// Of what one instance keeps for itself, or of one moment.
class ChatTestAlone : public ChatTest {};
SV_ONE_WAY(ChatTestAlone);

TEST_P(ChatTest, OnlyThoseWhoMayReadAMessageLearnWhoWroteIt) {
  const MessageId id = sent(kAnn, kBob, "hi");
  const auto sender = [&](UserId user, MessageId of) {
    return run_task(api().get_message_sender({}, {.user_id = user, .message_id = of}));
  };
  EXPECT_EQ(sender(kBob, id)->sender_id, kAnn);
  EXPECT_EQ(sender(kAnn, id)->sender_id, kAnn);
  EXPECT_EQ(token_of(sender(kCy, id)), "message_not_found");
  EXPECT_EQ(token_of(sender(kBob, MessageId(7))), "message_not_found");
  ASSERT_TRUE(succeeded(remove(kBob, id)));
  EXPECT_EQ(token_of(sender(kBob, id)), "message_not_found");
}

TEST_P(ChatTest, BothSidesReadAConversationNewestFirst) {
  const auto first = send(kAnn, kBob, "hello");
  ASSERT_TRUE(succeeded(first));
  EXPECT_EQ(first->seq, 1);
  EXPECT_EQ(send(kBob, kAnn, "你好")->seq, 2);
  EXPECT_EQ(send(kAnn, kBob, "how are you")->seq, 3);
  EXPECT_EQ(texts(kAnn, kBob), (Texts{"how are you", "你好", "hello"}));
  EXPECT_EQ(texts(kBob, kAnn), texts(kAnn, kBob));
  const Message m = history(kBob, kAnn)->messages.back();
  EXPECT_EQ(m.id, first->message_id);
  EXPECT_EQ(m.send_id, kAnn);
  EXPECT_EQ(m.receive_id, kBob);
  EXPECT_EQ(m.create_time, "2026-01-01 00:00:00");
  EXPECT_EQ(m.seq, 1);
  EXPECT_FALSE(m.is_read);
  EXPECT_EQ(texts(kAnn, kCy), Texts{}) << "never talked";
  EXPECT_EQ(texts(kAnn, kAnn), Texts{});
}

TEST_P(ChatTest, ARestartKeepsEverything) {
  for (int i = 0; i < 5; ++i) sent(kAnn, kBob, std::to_string(i));
  ASSERT_TRUE(succeeded(read(kBob, kAnn, 2)));
  start();
  EXPECT_EQ(texts(kBob, kAnn), (Texts{"4", "3", "2", "1", "0"}));
  EXPECT_EQ(unread(kBob).total_unread, 3);
  EXPECT_EQ(send(kBob, kAnn, "5")->seq, 6);
}

TEST_P(ChatTest, PagesJoinWithoutGapOrRepeat) {
  for (int i = 1; i <= 45; ++i)
    sent(i % 3 == 0 ? kBob : kAnn, kBob == (i % 3 == 0 ? kBob : kAnn) ? kAnn : kBob,
         std::to_string(i));
  for (int size : {1, 7, 20, 45, 100}) {
    int expected = 45;
    MessageId before;
    do {
      const auto page = history(kAnn, kBob, before, size);
      ASSERT_TRUE(succeeded(page));
      for (const Message& m : page->messages) EXPECT_EQ(m.content, std::to_string(expected--));
      before = page->next_message_id;
    } while (before);
    EXPECT_EQ(expected, 0) << size;
  }
  EXPECT_EQ(history(kAnn, kBob, {}, 5000)->messages.size(), 45u);
  EXPECT_EQ(history(kAnn, kBob, {}, 0)->messages.size(), 20u);
}

TEST_P(ChatTest, BeforeMustBeAMessageOfThisConversation) {
  befriend(kAnn, kCy);
  const MessageId ours = sent(kAnn, kBob, "x"), others = sent(kAnn, kCy, "y");
  EXPECT_EQ(token_of(history(kAnn, kBob, MessageId(999999))), "message_not_found");
  EXPECT_EQ(token_of(history(kAnn, kBob, others)), "message_not_found");
  EXPECT_EQ(token_of(history(kDan, kBob, ours)), "message_not_found");
  EXPECT_EQ(history(kAnn, kBob, ours)->messages.size(), 0u);
}

TEST_P(ChatTest, BadMessagesNameTheField) {
  EXPECT_EQ(token_of(send(kAnn, kAnn, "me")), "cannot_message_self");
  EXPECT_EQ(token_of(send(kAnn, UserId(0), "x")), "receiver_id_required");
  EXPECT_EQ(token_of(send(UserId(0), kAnn, "x")), "invalid_token");
  for (const char* blank : {"", " ", "\n\t ", "\u3000\u00a0"})
    EXPECT_EQ(token_of(send(kAnn, kBob, blank)), "content_required");
  EXPECT_EQ(token_of(send(kAnn, kBob, "\xff\xfe")), "content_invalid");
  EXPECT_EQ(token_of(send(kAnn, kBob, std::string("a\0b", 3))), "content_invalid");
  EXPECT_EQ(token_of(send(kAnn, kBob, std::string(2001, 'a'))), "content_too_long");
  std::string widest;
  for (int i = 0; i < 2000; ++i) widest += "😀";
  EXPECT_TRUE(succeeded(send(kAnn, kBob, widest)));
  EXPECT_EQ(texts(kBob, kAnn), Texts{widest});
  users.gone.insert(kCy);
  EXPECT_EQ(token_of(send(kAnn, kCy, "x")), "user_not_found");
  EXPECT_EQ(rows("message_messages"), 1) << "what is refused leaves nothing";
  EXPECT_EQ(rows("message_sides"), 2);
}

TEST_P(ChatTest, ARepeatedKeyIsOneMessage) {
  const auto first = send(kAnn, kBob, "once", "key-1");
  ASSERT_TRUE(succeeded(first));
  const auto again = send(kAnn, kBob, "once", "key-1");
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(*again, *first);
  EXPECT_EQ(texts(kBob, kAnn), Texts{"once"});
  EXPECT_EQ(token_of(send(kAnn, kBob, "other", "key-1")), "idempotency_mismatch");
  befriend(kAnn, kCy);
  EXPECT_EQ(token_of(send(kAnn, kCy, "once", "key-1")), "idempotency_mismatch");
  EXPECT_NE(send(kBob, kAnn, "once", "key-1")->message_id, first->message_id)
      << "keys are their sender's own";
  social.blocks.insert({kBob, kAnn});
  EXPECT_EQ(send(kAnn, kBob, "once", "key-1")->message_id, first->message_id)
      << "the first answer, whatever has changed since";
}

TEST_P(ChatTest, NobodyWritesAcrossABlock) {
  social.blocks.insert({kBob, kAnn});
  const auto refused = send(kAnn, kBob, "x");
  EXPECT_EQ(token_of(refused), "not_allowed");
  EXPECT_EQ(refused.error().code, Errc::forbidden);
  EXPECT_EQ(token_of(send(kBob, kAnn, "x")), "not_allowed");
  social.blocks.clear();
  EXPECT_TRUE(succeeded(send(kAnn, kBob, "x")));
}

TEST_P(ChatTest, AMessageWaitsForThoseWhoKnowWhetherItIsWanted) {
  social.down = true;
  EXPECT_EQ(send(kAnn, kBob, "x").error().code, Errc::unavailable);
  social.down = false;
  users.down = true;
  EXPECT_EQ(send(kAnn, kBob, "x").error().code, Errc::unavailable);
  users.down = false;
  users.privacy_down = true;
  EXPECT_EQ(send(kAnn, kBob, "x").error().code, Errc::unavailable);
  EXPECT_EQ(rows("message_messages"), 0);
  users.privacy_down = false;
  EXPECT_TRUE(succeeded(send(kAnn, kBob, "x")));
  social.down = true;
  EXPECT_EQ(accept(kBob, kAnn).error().code, Errc::unavailable);
}

TEST_P(ChatTest, WhoLacksBlocksAndPrivacyForbidsNothing) {
  user::UserAbsent no_users;
  social::SocialAbsent no_social;
  services.user = &no_users;
  services.social = &no_social;
  EXPECT_TRUE(succeeded(send(kAnn, kBob, "x")));
  EXPECT_TRUE(succeeded(accept(kBob, kAnn)));
  services.user = &users;
  services.social = &social;
}

TEST_P(ChatTestAlone, TheLastBlocksHoldInTheInboxWhileNobodyCanTell) {
  befriend(kAnn, kBob);
  befriend(kCy, kBob);
  sent(kAnn, kBob, "from ann");
  sent(kCy, kBob, "from cy");
  social.blocks.insert({kBob, kAnn});
  EXPECT_EQ(inbox(kBob), Texts{"cy:1:from cy"});
  social.down = true;
  EXPECT_EQ(inbox(kBob), Texts{"cy:1:from cy"});
  EXPECT_EQ(unread(kBob).total_unread, 1);
  social.down = false;
  social.blocks.clear();
  EXPECT_EQ(inbox(kBob).size(), 2u);
}

TEST_P(ChatTest, PrivacySaysWhoMayWrite) {
  users.privacy[kBob].message_from = "none";
  EXPECT_EQ(token_of(send(kAnn, kBob, "x")), "not_allowed");
  users.privacy[kBob].message_from = "followed";
  EXPECT_TRUE(succeeded(send(kAnn, kBob, "x")));
  EXPECT_EQ(token_of(send(kDan, kBob, "x")), "not_allowed");
  EXPECT_TRUE(succeeded(send(kBob, kDan, "a question")));
  EXPECT_TRUE(succeeded(send(kDan, kBob, "an answer"))) << "to someone who asked";
}

TEST_P(ChatTest, ReadingIsSeenByTheSenderAndNeverGoesBack) {
  for (int i = 1; i <= 4; ++i) sent(kAnn, kBob, std::to_string(i));
  const auto is_read = [&](UserId of, UserId with) {
    std::vector<bool> out;
    for (const Message& m : history(of, with)->messages) out.push_back(m.is_read);
    return out;
  };
  EXPECT_EQ(is_read(kAnn, kBob), (std::vector{false, false, false, false}));
  ASSERT_TRUE(succeeded(read(kBob, kAnn, 2)));
  EXPECT_EQ(is_read(kAnn, kBob), (std::vector{false, false, true, true}));
  EXPECT_EQ(is_read(kBob, kAnn), is_read(kAnn, kBob));
  EXPECT_EQ(unread(kBob).total_unread, 2);
  ASSERT_TRUE(succeeded(read(kBob, kAnn, 1)));
  EXPECT_EQ(unread(kBob).total_unread, 2);
  ASSERT_TRUE(succeeded(read(kAnn, kBob, 4))) << "the sender reads nothing of the receiver's";
  EXPECT_EQ(unread(kBob).total_unread, 2);
  EXPECT_EQ(is_read(kAnn, kBob), (std::vector{false, false, true, true}));
  ASSERT_TRUE(succeeded(read(kBob, kAnn, 1'000'000)));
  EXPECT_EQ(unread(kBob).total_unread, 0);
  sent(kAnn, kBob, "5");
  EXPECT_EQ(is_read(kAnn, kBob), (std::vector{false, true, true, true, true}))
      << "a number beyond the last was the last";
  EXPECT_EQ(unread(kBob).total_unread, 1);
  EXPECT_EQ(token_of(read(kBob, kDan, 1)), "conversation_not_found");
  EXPECT_EQ(token_of(read(kBob, kBob, 1)), "conversation_not_found");
  EXPECT_EQ(token_of(read(kBob, kAnn, 0)), "seq_out_of_range");
}

TEST_P(ChatTest, ReadingAMessageReadsAllBeforeIt) {
  std::vector<MessageId> ids;
  for (int i = 1; i <= 3; ++i) ids.push_back(sent(kAnn, kBob, std::to_string(i)));
  const auto mark = [&](UserId who, MessageId id) {
    return run_task(api().mark_message_read({}, {.user_id = who, .message_id = id}));
  };
  EXPECT_TRUE(succeeded(mark(kBob, ids[1])));
  EXPECT_EQ(unread(kBob).total_unread, 1);
  EXPECT_EQ(token_of(mark(kCy, ids[2])), "message_not_found");
  EXPECT_EQ(token_of(mark(kBob, MessageId(77))), "message_not_found");
  EXPECT_TRUE(succeeded(mark(kBob, ids[2])));
  EXPECT_EQ(unread(kBob).total_unread, 0);
}

TEST_P(ChatTest, ADeletedMessageIsGoneOnOneSideOnly) {
  const MessageId one = sent(kAnn, kBob, "one"), two = sent(kAnn, kBob, "two"),
                  three = sent(kAnn, kBob, "three");
  ASSERT_TRUE(succeeded(remove(kBob, three)));
  EXPECT_EQ(texts(kBob, kAnn), (Texts{"two", "one"}));
  EXPECT_EQ(texts(kAnn, kBob), (Texts{"three", "two", "one"}));
  EXPECT_EQ(inbox(kBob), Texts{"ann:2:two"});
  EXPECT_EQ(inbox(kAnn), Texts{"bob:0:three"});
  EXPECT_EQ(unread(kBob).total_unread, 2);
  EXPECT_EQ(token_of(remove(kBob, three)), "message_not_found") << "for this side it is";
  EXPECT_EQ(token_of(remove(kCy, two)), "message_not_found");
  ASSERT_TRUE(succeeded(read(kBob, kAnn, 1)));
  ASSERT_TRUE(succeeded(remove(kBob, one)));
  EXPECT_EQ(unread(kBob).total_unread, 1) << "one was read already";
  ASSERT_TRUE(succeeded(remove(kBob, two)));
  EXPECT_EQ(unread(kBob).total_unread, 0);
  EXPECT_EQ(inbox(kBob), Texts{}) << "nothing is left to show";
  EXPECT_EQ(texts(kBob, kAnn), Texts{});
  EXPECT_EQ(send(kAnn, kBob, "four")->seq, 4) << "numbers have no gap";
  EXPECT_EQ(inbox(kBob), Texts{"ann:1:four"});
}

TEST_P(ChatTest, WhatBothDeletedIsNotKept) {
  const MessageId secret = sent(kAnn, kBob, "secret");
  ASSERT_TRUE(succeeded(remove(kAnn, secret)));
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT content FROM message_messages"))->text(0, 0),
            "secret");
  ASSERT_TRUE(succeeded(remove(kBob, secret)));
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT content FROM message_messages"))->text(0, 0), "");
}

TEST_P(ChatTest, PagesSkipWhatWasDeletedAndStayFull) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(sent(kAnn, kBob, std::to_string(i)));
  for (int i = 5; i < 25; ++i)
    ASSERT_TRUE(succeeded(remove(kAnn, ids[static_cast<std::size_t>(i)])));
  const auto page = history(kAnn, kBob, {}, 7);
  ASSERT_EQ(page->messages.size(), 7u);
  EXPECT_EQ(page->messages[5].content, "4");
  EXPECT_EQ(history(kAnn, kBob, page->next_message_id, 7)->messages.size(), 3u);
  EXPECT_EQ(history(kAnn, kBob, ids[20], 7)->messages.front().content, "4")
      << "a deleted message still marks a place";
  EXPECT_EQ(history(kBob, kAnn, {}, 100)->messages.size(), 30u);
}

TEST_P(ChatTest, AWarmPageAsksTheDatabaseNothing) {
  MessageId middle;
  for (int i = 0; i < 60; ++i) {
    const MessageId id = sent(kAnn, kBob, std::to_string(i));
    if (i == 30) middle = id;
  }
  const auto cost = [&](auto&& call) {
    const auto before = db->statements();
    EXPECT_TRUE(succeeded(call()));
    return db->statements() - before;
  };
  for (MessageId before : {MessageId(0), middle}) {
    EXPECT_LE(cost([&] { return history(kBob, kAnn, before); }), 2u);
    EXPECT_EQ(cost([&] { return history(kBob, kAnn, before); }), 0u);
  }
  EXPECT_LE(cost([&] { return latest(kBob); }), 1u);
  EXPECT_EQ(cost([&] { return latest(kBob); }), 0u);
  (void)unread(kBob);
  const auto before = db->statements();
  EXPECT_EQ(unread(kBob).total_unread, 60);
  EXPECT_EQ(db->statements(), before);
  sent(kBob, kAnn, "new");
  EXPECT_EQ(history(kBob, kAnn)->messages.front().content, "new") << "and never shows what is past";
}

TEST_P(ChatTest, TwentyWritersLeaveNoGap) {
  constexpr int kWriters = 20, kEach = 200;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w)
    threads.emplace_back([&, w] {
      const bool ann = w % 2 == 0;
      for (int i = 0; i < kEach; ++i)
        if (!send(ann ? kAnn : kBob, ann ? kBob : kAnn, fmt::format("{}/{}", w, i))) ++failures;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  const auto all = run_task(db->query(Ctx{}, R"(
      SELECT min(seq), max(seq), count(DISTINCT seq), count(DISTINCT content)
      FROM message_messages)"));
  EXPECT_EQ(all->i64(0, 0), 1);
  EXPECT_EQ(all->i64(0, 1), kWriters * kEach);
  EXPECT_EQ(all->i64(0, 2), kWriters * kEach);
  EXPECT_EQ(all->i64(0, 3), kWriters * kEach);
  EXPECT_EQ(unread(kAnn).total_unread, kWriters * kEach / 2);
  EXPECT_EQ(unread(kBob).total_unread, kWriters * kEach / 2);
  ASSERT_TRUE(succeeded(read(kAnn, kBob, 1234)));
  EXPECT_EQ(
      unread(kAnn).total_unread,
      run_task(
          db->query(Ctx{},
                    "SELECT count(*) FROM message_messages WHERE seq > 1234 AND sender_id = 2"))
          ->i64(0, 0));
}

}  // namespace
}  // namespace sv::message
