// What services tell each other: a struct a topic, its JSON is the payload. `key` says for whose events the order is kept; with a state event
// comes the revision of what changed, and the reader asks for the state.
include "common.thrift"

namespace cpp sv.events

struct UserChanged {
} (topic = "user.changed", key = "the user")

struct UserDeleted {
  1: common.UserId id (must = "1")
} (topic = "user.deleted", key = "the user")

// Access tokens of the session may be out until then.
struct UserSessionEnded {
  1: string session (must = "1")
  2: i64 untilMs (json = "until")
} (topic = "user.session_ended", key = "the user")

struct SocialFollowed {
  1: common.UserId user (must = "1")
  2: common.UserId target (must = "1")
} (topic = "social.followed", key = "the target")

struct SocialUnfollowed {
  1: common.UserId user (must = "1")
  2: common.UserId target (must = "1")
} (topic = "social.unfollowed", key = "the target")

struct SocialFollowRequested {
  1: common.UserId user (must = "1")
  2: common.UserId target (must = "1")
} (topic = "social.follow_requested", key = "the target")

struct SocialBlocked {
  1: common.UserId user (must = "1")
  2: common.UserId target (must = "1")
} (topic = "social.blocked", key = "the user")

// Who likes the video now and did not before, oldest first.
struct InteractionLiked {
  1: common.VideoId video (must = "1")
  2: common.UserId author
  3: list<common.UserId> users
} (topic = "interaction.liked", key = "the video")

// A comment that answers none has 0 in the last three.
struct InteractionCommented {
  1: common.CommentId comment (must = "1")
  2: common.VideoId video (must = "1")
  3: common.UserId author
  4: common.UserId user (must = "1")
  5: common.CommentId replyTo
  6: common.UserId replyToUser
  7: common.CommentId rootId
} (topic = "interaction.commented", key = "the video")

// How many there are, not what was added.
struct InteractionCounted {
  1: common.VideoId video (must = "1")
  2: i64 likes
  3: i64 comments
  4: i64 stars
  5: i64 shares
} (topic = "interaction.counted", key = "the video")

// `was`: the status before; empty for a new one.
struct VideoChanged {
  1: common.VideoId id (must = "1")
  2: common.UserId authorId
  3: string status (must = "1")
  4: string was
} (topic = "video.changed", key = "the video")
