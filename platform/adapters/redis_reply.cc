#include "platform/adapters/redis_reply.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <new>
#include <utility>

#include <fmt/format.h>

namespace sv {
namespace {

using Kind = RedisReply::Kind;

// An element joins the list that is being read: those before it are whole, and nobody refers to
// them any more.
void* place(const redisReadTask* task, RedisReply made) {
  if (task->parent == nullptr) return new RedisReply(std::move(made));
  return &static_cast<RedisReply*>(task->parent->obj)->list.emplace_back(std::move(made));
}

void* make_text(const redisReadTask* task, char* text, std::size_t size) {
  return place(task, {.kind = task->type == REDIS_REPLY_ERROR ? Kind::error : Kind::text,
                      .text = std::string(text, size)});
}
void* make_list(const redisReadTask* task, int) { return place(task, {.kind = Kind::list}); }
void* make_number(const redisReadTask* task, long long number) {
  return place(task, {.kind = Kind::number, .number = number});
}
void* make_nil(const redisReadTask* task) { return place(task, {}); }
void destroy(void* reply) { delete static_cast<RedisReply*>(reply); }

redisReplyObjectFunctions functions{make_text, make_list, make_number, make_nil, destroy};

}  // namespace

bool RedisReply::is_error(std::string_view code) const {
  return kind == Kind::error && text.starts_with(code) &&
         (text.size() == code.size() || text[code.size()] == ' ');
}

void append_redis_part(std::string& out, std::string_view part) {
  fmt::format_to(std::back_inserter(out), "${}\r\n", part.size());
  out.append(part).append("\r\n");
}

std::string redis_command(const std::vector<std::string_view>& parts) {
  std::string out = fmt::format("*{}\r\n", parts.size());
  for (const std::string_view part : parts) append_redis_part(out, part);
  return out;
}

RedisReader::RedisReader() : reader_(redisReaderCreateWithFunctions(&functions)) {
  if (reader_ == nullptr) throw std::bad_alloc();
}

RedisReader::~RedisReader() { redisReaderFree(reader_); }

void RedisReader::feed(std::string_view bytes) {
  redisReaderFeed(reader_, bytes.data(), bytes.size());
}

Result<std::optional<RedisReply>> RedisReader::next() {
  void* made = nullptr;
  if (redisReaderGetReply(reader_, &made) != REDIS_OK)
    return fail(Errc::unavailable, "cache_unavailable",
                fmt::format("redis: what came is no reply: {}", reader_->errstr));
  if (made == nullptr) return std::nullopt;
  const std::unique_ptr<RedisReply> whole(static_cast<RedisReply*>(made));
  return std::optional(std::move(*whole));
}

}  // namespace sv
