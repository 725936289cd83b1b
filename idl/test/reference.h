#pragma once

// Code of the Apache compiler, made from the same IDL (namespace ref) and from the one without our
// additions (namespace original).
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include "reference/gen-cpp/common_types.h"
#include "reference/gen-cpp/danmu_types.h"
#include "reference/gen-cpp/interaction_types.h"
#include "reference/gen-cpp/live_types.h"
#include "reference/gen-cpp/message_types.h"
#include "reference/gen-cpp/recommend_types.h"
#include "reference/gen-cpp/social_types.h"
#include "reference/gen-cpp/user_types.h"
#include "reference/gen-cpp/video_types.h"
// The guards of both sets are the same names.
#undef common_TYPES_H
#undef video_TYPES_H
#include "original/gen-cpp/video_types.h"
#pragma clang diagnostic pop
