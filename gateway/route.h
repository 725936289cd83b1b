#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/call.h"
#include "gateway/envelope.h"
#include "gateway/input.h"
#include "gateway/own_writes.h"
#include "gateway/rate_limit.h"
#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::gateway {

// open: a token is not looked at. optional: a valid one personalises, a bad one makes a guest.
// required: 401 without. moderator: as required, and for everyone else there is no such route.
enum class Access : unsigned char { open, optional, required, moderator };
constexpr bool needs_token(Access access) {
  return access == Access::required || access == Access::moderator;
}
enum class Body : unsigned char { none, query, json, multipart };
// api: the handler fills call.body with a whole envelope. cached: api, and guests may get a page
// kept for ≤ 1 s.
// stream: the handler answers through the exchange, without the request deadline.
enum class Kind : unsigned char { api, cached, stream };

struct Schema {
  std::string_view name, json;          // empty: no type
  std::span<const ParamSchema> params;  // inputs that come from the query
  bool list = false;                    // of outputs: data is an array of these
  bool may_lack = false;                // of outputs: data may be absent
};

// Out may be std::optional<T>: an answer that has nothing to say comes without data. It may be
// ListPage<T>, for routes whose data has always been a bare array: what belongs to a list beside it
// goes into headers, the place of the next page into X-Next-Cursor (absent at the end), the total
// into X-Total-Count (absent where it is not cheap).
template <class T>
struct ListPage {
  std::vector<T> items;
  std::string next_cursor;
  std::optional<std::int64_t> total;
};

// One row of the routing table: how requests are matched, guarded and described. `path` is exact,
// or ends in "{name}", which stands for the whole rest of the path.
struct Route {
  std::string_view method, path;
  Access access;
  RateClass rate;
  std::string_view summary;
  Task<Result<>> (*handle)(Call&);
  Kind kind = Kind::api;
  Body body = Body::none;
  Schema (*input)() = nullptr;
  Schema (*output)() = nullptr;
  std::string_view content_type = "application/json";  // of a successful answer
  ServiceSet writes{};       // the services whose data a success may have changed
  std::string_view files{};  // of a form, as JSON Schema: its parts that are files
};

// -- Handlers are plain coroutines `Task<Result<Out>> f(Call&, const In&)` or `f(Call&)`; the rows
// below read In (query for GET and DELETE, else the JSON body), validate it, and write Out as the
// envelope's data. Out void: an envelope without data.
template <class F>
struct Signature;
template <class O>
struct Signature<Task<Result<O>> (*)(Call&)> {
  using Out = O;
  using In = void;
};
template <class O, class I>
struct Signature<Task<Result<O>> (*)(Call&, const I&)> {
  using Out = O;
  using In = I;
};

template <class T>
Schema schema_of() {
  return {.name = SchemaOf<T>::name, .json = SchemaOf<T>::json, .params = SchemaOf<T>::params};
}
template <class Out>
struct OutputSchema {
  static Schema get() { return schema_of<Out>(); }
};
template <class T>
struct OutputSchema<ListPage<T>> {
  static Schema get() {
    Schema schema = schema_of<T>();
    schema.list = true;
    return schema;
  }
};

template <class T>
struct OutputSchema<std::optional<T>> {
  static Schema get() {
    Schema schema = schema_of<T>();
    schema.may_lack = true;
    return schema;
  }
};

template <class T>
void write_answer(Call& call, const T& data) {
  call.body = kSuccessWithData;
  write_json(call.body, data);
  call.body += '}';
}
template <class T>
void write_answer(Call& call, const std::optional<T>& data) {
  if (data) write_answer(call, *data);
  else call.body = kSuccess;
}
template <class T>
void write_answer(Call& call, const ListPage<T>& page) {
  if (!page.next_cursor.empty()) call.header("X-Next-Cursor", page.next_cursor);
  if (page.total) call.header("X-Total-Count", std::to_string(*page.total));
  write_answer(call, page.items);
}

// Ends a handler of kind stream with what an api route would answer.
template <class T>
Task<Result<>> send_answer(Call& call, const Result<T>& data) {
  if (!data) {
    call.x.close_after();  // what is left of the body is not read
    co_return std::unexpected(data.error());
  }
  co_await note_own_write(call);
  write_answer(call, *data);
  call.headers +=
      "Content-Type: application/json; charset=utf-8\r\nCache-Control: private, no-store\r\nVary: "
      "Authorization\r\n";
  (void)co_await call.x.send(200, call.headers, call.body);
  co_return Result<>{};
}

template <auto Handler, Body Source>
Task<Result<>> run(Call& call) {
  using In = typename Signature<decltype(Handler)>::In;
  using Out = typename Signature<decltype(Handler)>::Out;
  Result<Out> reply;
  if constexpr (std::is_void_v<In>) {
    reply = co_await Handler(call);
  } else if constexpr (Source == Body::query) {
    SV_CO_TRY(const In in, read_query<In>(call));
    reply = co_await Handler(call, in);
  } else {
    SV_CO_TRY(const In in, read_json<In>(call.input));
    reply = co_await Handler(call, in);
  }
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if constexpr (std::is_void_v<Out>) {
    call.body = kSuccess;
  } else {
    write_answer(call, *reply);
  }
  co_return Result<>{};
}

template <auto Handler, Body Source>
constexpr Route api_route(std::string_view method, std::string_view path, Access access,
                          RateClass rate, std::string_view summary) {
  using In = typename Signature<decltype(Handler)>::In;
  using Out = typename Signature<decltype(Handler)>::Out;
  Route route{.method = method,
              .path = path,
              .access = access,
              .rate = rate,
              .summary = summary,
              .handle = &run<Handler, Source>};
  if constexpr (!std::is_void_v<In>) {
    route.body = Source;
    route.input = &schema_of<In>;
  }
  if constexpr (!std::is_void_v<Out>) route.output = &OutputSchema<Out>::get;
  return route;
}

template <auto Handler>
constexpr Route get(std::string_view path, Access access, std::string_view summary) {
  return api_route<Handler, Body::query>("GET", path, access, RateClass::read, summary);
}
template <auto Handler>
constexpr Route get_cached(std::string_view path, std::string_view summary) {
  Route route = get<Handler>(path, Access::optional, summary);
  route.kind = Kind::cached;
  return route;
}
template <auto Handler>
constexpr Route post(std::string_view path, Access access, std::string_view summary,
                     RateClass rate = RateClass::write) {
  return api_route<Handler, Body::json>("POST", path, access, rate, summary);
}
template <auto Handler>
constexpr Route put(std::string_view path, Access access, std::string_view summary) {
  return api_route<Handler, Body::json>("PUT", path, access, RateClass::write, summary);
}
template <auto Handler>
constexpr Route remove(std::string_view path, Access access, std::string_view summary) {
  return api_route<Handler, Body::query>("DELETE", path, access, RateClass::write, summary);
}

// The table's parts; the router joins them.
std::span<const Route> user_routes();
std::span<const Route> video_routes();
std::span<const Route> social_routes();
std::span<const Route> interaction_routes();
std::span<const Route> message_routes();
std::span<const Route> upload_routes();
std::span<const Route> avatar_routes();
std::span<const Route> media_routes();
std::span<const Route> platform_routes();
std::span<const Route> web_routes();

}  // namespace sv::gateway
