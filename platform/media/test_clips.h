#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "platform/media/media_tools.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"

namespace sv::media {

inline std::string shell(const std::string& command) {
  std::string out;
  FILE* p = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (auto n = ::fread(buffer.data(), 1, buffer.size(), p)) out.append(buffer.data(), n);
  int status = ::pclose(p);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << out;
  return out;
}

inline std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) out.push_back(line);
  }
  return out;
}

inline std::string slurp(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A folder with clips made by ffmpeg, and the tools under test. $SV_MEDIA_TEST_JAIL=off runs the
// suite without bubblewrap.
class MediaFixture : public ::testing::Test {
 protected:
  MediaFixture() {
    MediaTools::Options options;
    options.scratch = dir_ / "scratch";
    if (const char* jail = std::getenv("SV_MEDIA_TEST_JAIL"))
      options.jail = std::string_view(jail) != "off";
    tools_ = make_media_tools(options);
  }

  // `arguments` between the program and the output's name.
  std::filesystem::path clip(const std::string& name, const std::string& arguments) {
    auto path = dir_ / name;
    shell("ffmpeg -v error -nostdin -y " + arguments + " '" + path.string() + "'");
    return path;
  }
  static std::string picture(const std::string& size, const std::string& seconds,
                             const std::string& rate = "25") {
    return "-f lavfi -i testsrc2=s=" + size + ":r=" + rate + ":d=" + seconds + " ";
  }
  static std::string tone(const std::string& seconds) {
    return "-f lavfi -i sine=f=440:d=" + seconds + " ";
  }
  static std::string x264() { return "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 "; }

  static std::string ask(const std::filesystem::path& file, const std::string& what) {
    return shell("ffprobe -v error " + what + " '" + file.string() + "'");
  }

  MediaInfo probe(const std::filesystem::path& file) {
    auto r = testing::run_task(tools_->probe(file));
    EXPECT_OK(r);
    return r ? *r : MediaInfo{};
  }
  std::string refusal(const std::filesystem::path& file) {
    auto r = testing::run_task(tools_->probe(file));
    if (r) return "accepted";
    EXPECT_EQ(r.error().code, Errc::unprocessable) << r.error().detail;
    return r.error().token;
  }

  std::vector<RenditionFile> transcode(const std::filesystem::path& source, const MediaInfo& info,
                                       MediaTools::Progress progress = {}) {
    std::filesystem::create_directories(dir_ / "job");
    auto r = testing::run_task(
        tools_->transcode(source, info, ladder_for(info), dir_ / "job", std::move(progress)));
    EXPECT_OK(r);
    return r ? *r : std::vector<RenditionFile>{};
  }

  static std::vector<std::string> key_times(const std::filesystem::path& file) {
    std::vector<std::string> keys;
    for (const auto& line :
         lines(ask(file, "-select_streams v -show_entries packet=pts_time,flags -of csv=p=0"))) {
      if (line.find('K') != line.npos) keys.push_back(line.substr(0, line.find(',')));
    }
    return keys;
  }

  testing::TempDir dir_;
  std::unique_ptr<MediaTools> tools_;
};

}  // namespace sv::media
