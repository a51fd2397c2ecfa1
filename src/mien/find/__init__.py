"""The face finder at run time: detector, landmarks, pose, tracker and filter, without torch."""
