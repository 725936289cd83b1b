// The feed page as a Hertz server with sonic would serve it: 20 videos in memory, marshalled for each request.
// usage: hertz_page PORT FILE; FILE holds the JSON body of a feed answer.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/bytedance/sonic"
	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/hlog"
)

type author struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Avatar   string `json:"avatar"`
	IsFollow bool   `json:"isFollow"`
}

type video struct {
	ID           int64    `json:"id"`
	AuthorID     int64    `json:"authorId"`
	URL          string   `json:"url"`
	CoverURL     string   `json:"coverUrl"`
	LikeCount    int64    `json:"likeCount"`
	CommentCount int64    `json:"commentCount"`
	IsLike       bool     `json:"isLike"`
	Title        string   `json:"title"`
	PublishTime  int64    `json:"publishTime"`
	Description  string   `json:"description"`
	Author       *author  `json:"author,omitempty"`
	ViewCount    *int64   `json:"viewCount,omitempty"`
	ShareCount   *int64   `json:"shareCount,omitempty"`
	StarCount    *int64   `json:"starCount,omitempty"`
	IsStar       *bool    `json:"isStar,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	DurationMs   *int64   `json:"durationMs,omitempty"`
	Width        *int32   `json:"width,omitempty"`
	Height       *int32   `json:"height,omitempty"`
	HlsURL       *string  `json:"hlsUrl,omitempty"`
	SpriteURL    *string  `json:"spriteUrl,omitempty"`
	VttURL       *string  `json:"vttUrl,omitempty"`
	Status       *string  `json:"status,omitempty"`
	Visibility   *string  `json:"visibility,omitempty"`
	PreloadBytes *int64   `json:"preloadBytes,omitempty"`
	CreateTime   *int64   `json:"createTime,omitempty"`
}

type page struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Videos     []*video `json:"videos"`
		NextTime   int64    `json:"next_time"`
		NextCursor string   `json:"next_cursor"`
	} `json:"data"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: hertz_page PORT FILE")
		os.Exit(2)
	}
	body, err := os.ReadFile(os.Args[2])
	var feed page
	if err == nil {
		err = sonic.Unmarshal(body, &feed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hertz_page:", err)
		os.Exit(1)
	}
	hlog.SetLevel(hlog.LevelError)
	h := server.New(server.WithHostPorts("127.0.0.1:"+os.Args[1]), server.WithDisablePrintRoute(true))
	h.GET("/api/video/feed", func(_ context.Context, c *app.RequestContext) {
		out, err := sonic.Marshal(&feed)
		if err != nil {
			c.SetStatusCode(500)
			return
		}
		c.Data(200, "application/json; charset=utf-8", out)
	})
	h.Spin()
}
