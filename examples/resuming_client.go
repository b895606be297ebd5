// Print channels as JSON lines, and resume after a lost connection. Needs only gorilla/websocket.
//
// AP_API_KEY=apk_… go run resuming_client.go ws://127.0.0.1:8080/ws trades alerts
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

type message struct {
	Type, Channel, Cursor string
	Cursors               map[string]string                  // of a heartbeat
	Channels              map[string]struct{ Cursor string } // `resumed` false: events are missing, read REST
}

func follow(url string, channels []string, cursors map[string]string) error {
	key := http.Header{"X-API-Key": {os.Getenv("AP_API_KEY")}}
	socket, _, err := websocket.DefaultDialer.Dial(url, key)
	if err != nil {
		return err
	}
	defer socket.Close()
	socket.WriteJSON(map[string]interface{}{"type": "subscribe", "channels": channels, "since": cursors})
	for {
		socket.SetReadDeadline(time.Now().Add(75 * time.Second)) // a heartbeat comes every 30 s
		_, frame, err := socket.ReadMessage()
		if err != nil {
			return err
		}
		fmt.Println(string(frame))
		m := message{Cursors: cursors}
		json.Unmarshal(frame, &m)
		switch {
		case m.Type == "error" || m.Type == "unsubscribed":
			return fmt.Errorf("%s", frame)
		case m.Cursor != "":
			cursors[m.Channel] = m.Cursor
		}
		for channel, ack := range m.Channels {
			cursors[channel] = ack.Cursor
		}
	}
}

func main() {
	for cursors := map[string]string{}; ; time.Sleep(time.Second + time.Duration(rand.Intn(1e9))) {
		log.Print(follow(os.Args[1], os.Args[2:], cursors)) // not all clients at once
	}
}
