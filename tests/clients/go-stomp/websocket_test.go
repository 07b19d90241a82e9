package gostomp

import (
	"context"
	"io"
	"time"

	"github.com/coder/websocket"
)

// stream makes a stream of bytes of a WebSocket's messages, of both types: the package's own NetConn
// refuses those that are not of the type which it sends.
type stream struct {
	socket *websocket.Conn
	kind   websocket.MessageType
	reader io.Reader
}

func dialWebSocket(url string, kind websocket.MessageType, subprotocol string) (*stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	options := &websocket.DialOptions{Subprotocols: []string{subprotocol}}
	socket, _, err := websocket.Dial(ctx, url, options)
	if err != nil {
		return nil, err
	}
	socket.SetReadLimit(8 << 20)
	return &stream{socket: socket, kind: kind}, nil
}

func (s *stream) Read(into []byte) (int, error) {
	for {
		if s.reader == nil {
			_, reader, err := s.socket.Reader(context.Background())
			if err != nil {
				return 0, err
			}
			s.reader = reader
		}
		n, err := s.reader.Read(into)
		if err == io.EOF {
			s.reader, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *stream) Write(bytes []byte) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.socket.Write(ctx, s.kind, bytes); err != nil {
		return 0, err
	}
	return len(bytes), nil
}

func (s *stream) Close() error {
	return s.socket.Close(websocket.StatusNormalClosure, "")
}
