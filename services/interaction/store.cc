#include "services/interaction/store.h"

#include <cmath>

namespace sv::interaction {

VideoCounts read_video(const sql::Rows& rows, std::size_t row) {
  return {.id = VideoId(rows.i64(row, 0)),
          .author = UserId(rows.i64(row, 1)),
          .likes = rows.i64(row, 2),
          .comments = rows.i64(row, 3),
          .stars = rows.i64(row, 4),
          .shares = rows.i64(row, 5),
          .gone = rows.boolean(row, 6),
          .revision = rows.i64(row, 7)};
}

PersonCounts read_person(const sql::Rows& rows, std::size_t row) {
  return {.id = UserId(rows.i64(row, 0)),
          .likes = rows.i64(row, 1),
          .comments = rows.i64(row, 2),
          .revision = rows.i64(row, 3)};
}

CommentPtr read_comment(const sql::Rows& rows, std::size_t row) {
  auto c = std::make_shared<CommentRow>();
  c->id = CommentId(rows.i64(row, 0));
  c->video = VideoId(rows.i64(row, 1));
  c->user = UserId(rows.i64(row, 2));
  c->root = CommentId(rows.i64(row, 3));
  c->reply_to = CommentId(rows.i64(row, 4));
  c->content = rows.text(row, 5);
  c->created_ms = rows.i64(row, 6);
  c->likes = rows.i64(row, 7);
  c->replies = rows.i64(row, 8);
  c->deleted = rows.boolean(row, 9);
  return c;
}

std::int64_t heat(std::int64_t created_ms, std::int64_t likes, std::int64_t replies) {
  constexpr double kDoubling = 12.0 * 3600 * 1000;
  constexpr double kUnit = 1e6;
  const auto votes = static_cast<double>(std::max<std::int64_t>(0, likes) +
                                         2 * std::max<std::int64_t>(0, replies));
  return std::llround((static_cast<double>(created_ms) / kDoubling + std::log2(1 + votes)) * kUnit);
}

}  // namespace sv::interaction
