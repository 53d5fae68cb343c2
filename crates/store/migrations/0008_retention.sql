-- What was told long ago is found by when that ended, and by which alerts it told of.
CREATE INDEX notifications_ended ON notifications (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX notified_notification ON notified (notification);
