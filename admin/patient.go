package admin

import (
	"net/http"
	"time"
)

// takeWithin is the time that a client has to take each piece of an answer.
const takeWithin = 10 * time.Second

// patient gives up a client that takes nothing: it would hold its answer and a descriptor for ever. A limit for the whole
// request (http.Server.WriteTimeout) would break off streams and profiles.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &patientWriter{w, http.NewResponseController(w)}
		defer p.wait() // for what the server sends when this returns
		next.ServeHTTP(p, r)
	})
}

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (int, error) {
	w.wait()
	return w.ResponseWriter.Write(b)
}

// wait gives the client its time from now on; an error is one of the connection, which the next write has as well.
func (w *patientWriter) wait() { w.control.SetWriteDeadline(time.Now().Add(takeWithin)) }

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
